# shellcheck shell=bash
# A folder, a PATH and the way out for guide.sh. Sourced by it.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=$repository/bin:$PATH:$repository/bin/tools
for program in aip-dev kubectl helm curl python3; do
  if ! command -v "$program" >/dev/null; then
    printf '%s is not on PATH; next: make build tools, or install it\n' "$program" >&2
    exit 2
  fi
done

# Everything that the programs keep goes into one folder: of the environment, and of kubectl and helm.
name=guide-$$
# AIP_CLUSTER is embedded or kind; AIP_UP are more flags of aip-dev up.
cluster=${AIP_CLUSTER:-embedded}
work=$(mktemp -d "${TMPDIR:-/tmp}/aip-guide.XXXXXX") || exit
export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache KUBECACHEDIR=$work/kube
export HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm
unset HELM_DRIVER HELM_KUBECONTEXT KUBECONFIG

# leave takes the environment down, however the script ends.
leave() {
  local status=$?
  trap - EXIT
  [[ ${#forwards[@]} -eq 0 ]] || kill "${forwards[@]}" 2>/dev/null
  if [[ -n ${KEEP:-} ]]; then
    printf 'kept; next: XDG_STATE_HOME=%s aip-dev down --name %s; rm -r %s\n' "$XDG_STATE_HOME" "$name" "$work"
    exit "$status"
  fi
  if ! aip-dev down --name "$name" >"$work/down" 2>&1; then
    cat "$work/down" >&2
    printf 'it is not down; next: XDG_STATE_HOME=%s aip-dev down --name %s\n' "$XDG_STATE_HOME" "$name" >&2
    exit 1
  fi
  rm -rf "$work"
  exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The guide's paths charts/ and test/fixtures/ are relative to a checkout of the chart.
mkdir -p "$work/checkout/test"
ln -s "$repository/manifests/charts" "$work/checkout/charts"
ln -s "$repository/test/fixtures" "$work/checkout/test/fixtures"
cd "$work/checkout" || exit
