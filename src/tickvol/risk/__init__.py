"""Market risk of daily candles: returns, volatility, drawdown, value at risk with backtests, anomalies."""
