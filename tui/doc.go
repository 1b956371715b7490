// Package tui is the review queue in the terminal. `aip-dev up` and `aip-dev tui` run it with a client of the gateway;
// it shows what the gateway says and sends what the reviewer decides, and knows nothing of how either came about.
package tui
