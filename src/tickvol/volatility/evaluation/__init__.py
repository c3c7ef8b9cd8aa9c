"""Evaluation of detectors: metrics, events and alarms, block bootstrap, regimes, the report and the backtest."""
