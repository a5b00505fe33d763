"""Our core as a circuit, in Amaranth: one unit a file, and its co-simulation against the golden simulator.

Read lane.py first, the smallest part; then adder.py and stream.py, which tmatmul.py puts together; the other units,
norm.py with finish.py, rowwise.py and load_store.py, on registers.py and walk.py; and core.py, which issues. memory.py
and cosim.py stand around the circuit: the same programs, the same values, the same cycles.
"""
