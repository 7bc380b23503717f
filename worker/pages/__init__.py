"""The pages of a listener: what they show, asked of `worker.statistics`, and their HTML. They know no HTTP."""
