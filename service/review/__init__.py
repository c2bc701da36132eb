"""The operations pages: results shown to people.

Must not know: SQS, networks.
"""
