"""The units of our core: what each computes (`result`) and how long it takes (`cycles`) are two functions."""
