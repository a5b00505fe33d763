"""The whole integer model as one operation: model/integer.py is the naive form, model/engine.py uses the fast one."""
