// Dash's start, which it would write into the page as an inline script.
var renderer = new DashRenderer();
