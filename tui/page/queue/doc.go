// Package queue is the page on which a reviewer works: the requests that wait on one side, the whole truth about the
// highlighted one on the other, and the keys that decide. Snapshots of the feed go in, decisions come out.
package queue
