"""The four functional units of the published core; `result` says what each computes, `cycles` when it is done."""
