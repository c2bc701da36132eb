"""The augmentation job: the folders that its steps read and write, their order, and its report.

models.steps holds what a step does to arrays; here is what it does to folders.
"""
