"""The star schema of daily risk: a fact table and two dimensions, for tools of business intelligence."""
