// Package bootstrap holds the nouns of building an environment and the engine that builds it: a description
// (Environment) becomes a plan of steps, and running the plan yields facts (where things are) and events (what
// happened).
package bootstrap
