// Package attacks holds no code, only tests that attack a running gateway in front of a real API server. Each file is one
// hole: what was wrong elsewhere (the ids W-nn are rows of the catalogue of the reference implementation's defects), how it
// is used, and the proof that it is closed here. Forged tokens are in gateway/authn, policies that exhaust the evaluator in
// gateway/policy, names that drive a terminal in internal/safetext.
package attacks
