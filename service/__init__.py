"""The online path: photo → request → decode → localize → gate → segment → refine → describe → result → ledger."""
