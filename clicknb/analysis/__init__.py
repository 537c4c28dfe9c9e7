"""Frames in, frames and figures out; knows no gateway and no ledger."""
