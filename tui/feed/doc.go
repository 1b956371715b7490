// Package feed keeps a live picture of the gateway's AgentRequests for the terminal queue: it watches, falls back to
// asking again and again, and comes back by itself after the gateway was away. Gateway calls go in, Snapshots come out.
package feed
