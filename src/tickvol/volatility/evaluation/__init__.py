"""How detectors are judged: metrics, events and alarms, block bootstrap, regimes, the report and the backtest."""
