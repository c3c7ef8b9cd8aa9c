"""Market risk of daily candles: returns, volatility, drawdown, value at risk judged by what came true, anomalies."""
