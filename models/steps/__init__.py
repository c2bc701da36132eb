"""One module an arrow of the offline path: crops → instances → screening → extraction → placement → blend → augmented.

The cores here are functions of arrays: the folders a step reads and writes are its command's concern.
Must not know: queues, settings, any trained network.
"""
