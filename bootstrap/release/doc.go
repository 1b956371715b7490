// Package release installs, upgrades, inspects and removes a chart through the Helm library, as a release that
// ordinary helm lists and upgrades. Bootstrap steps call it with a chart and the values they need; what they get back
// says what the cluster holds.
//
// # Whose values win
//
// People change a release by `helm upgrade --reuse-values --set ...`, and the environment that installed it comes
// back later and looks again. Four kinds of values are told apart:
//
//   - Spec.Values have to hold. A release in which one of them is different differs, and Apply sets it again.
//   - Spec.Defaults are proposals. Apply sets one when the proposal is new, that is, when the release does not say
//     that the same proposal was made before; after that a change by hand stays and is named in State.Kept.
//   - Spec.Names are lists that several people add to. Apply puts in what is new, takes out what it proposed itself
//     and proposes no more, and leaves every other name where it is.
//   - Everything else belongs to whoever set it and is carried along unseen.
//
// What was proposed is recorded in labels of the release (Helm hands them on from revision to revision): a label
// aip-dev/PATH with a digest of the value, never the value; for a list, one label for each name.
package release
