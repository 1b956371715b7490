# shellcheck shell=bash
# The words that guide.sh is written in: run a command of the guide, compare its answer with what is promised, print a
# line, count. Sourced by guide.sh.

work=''                # a folder for files; setup.sh makes it
KEYCLOAK='' GATEWAY='' # base URLs at which this machine reaches the environment; guide.sh learns them
INSIDE=''              # base URL of the issuer in tokens
cluster=embedded       # or kind, where `kubectl run` really runs a pod
number=0 failed=0
COMMAND='' OUT='' STATUS=0
wanted=()   # what is expected of the last command
forwards=() # process ids of port-forwards
# shellcheck disable=SC2034 # read by guide.sh
ADDRESS='' # where the last port-forward listens

# here puts the ports of this environment in place of those that the guide writes. An embedded cluster has no pods that
# run curl, so there `kubectl run ... -- curl` becomes curl on this machine, and the in-cluster name its address.
here() {
  local text=$1
  if [[ $cluster == embedded ]]; then
    [[ $text != 'kubectl run '* ]] || text="curl -s${text#*curl -s}"
    text=${text//http:\/\/keycloak.keycloak.svc.cluster.local:8080/$KEYCLOAK}
  fi
  text=${text//http:\/\/localhost:8090/$KEYCLOAK}
  text=${text//http:\/\/localhost:8080/$GATEWAY}
  printf '%s' "$text"
}

# run runs a command in this shell, so that the variables it sets stay. OUT is what it printed, STATUS how it ended.
run() {
  STATUS=0
  COMMAND=$(here "${1:?no command}")
  if [[ $COMMAND == 'kubectl run '* ]]; then
    on_terminal
    return
  fi
  eval "$COMMAND" >"$work/out" 2>&1 </dev/null || STATUS=$?
  OUT=$(<"$work/out")
}

# on_terminal runs the command in a terminal, as `kubectl run -it` wants one.
on_terminal() {
  script --quiet --return --command "$COMMAND" /dev/null >"$work/out" 2>&1 </dev/null || STATUS=$?
  OUT=$(tr -d '\r\000' <"$work/out" | pod_answer)
}

# pod_answer leaves out what the terminal and kubectl itself say around the answer of a pod: the end of the input, that all may
# be recorded, that a pod that ended at once is asked for its log, that the session has ended and the pod is deleted. The
# latter two follow on the answer's last line.
pod_answer() {
  sed -E -e '/^All commands and output/d; /^If you don.t see a command prompt/d' \
    -e '/^warning: couldn.t attach to pod/d' -e 's/^\^@//' -e 's/Session ended, resume using .* command$//' -e 's/pod "[^"]*" deleted( from [a-z0-9-]+ namespace)?$//' | sed -e '/^$/d'
}

# python_holds tells whether a Python expression over d, the JSON body of the answer, is true.
python_holds() {
  python3 -c '
import json, re, sys
d = json.loads(sys.stdin.read().rsplit("\nHTTP ", 1)[0])
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" <<<"$OUT" 2>/dev/null
}

# answer prints a field of the JSON body of the last answer.
answer() {
  python3 -c '
import json, sys
print(json.loads(sys.stdin.read().rsplit("\nHTTP ", 1)[0])[sys.argv[1]])' "$1" <<<"$OUT" 2>/dev/null
}

# holds tells whether one expectation is true of the last command:
#   exit N        it ended with status N, or with another one than 0 for `exit fail`
#   http CODE     its last line is `HTTP CODE`, as written by -w "\nHTTP %{http_code}"
#   has TEXT      it printed the text; `hasnot TEXT` that it did not
#   any           it printed something
#   json EXPR     the Python expression holds for the JSON body d that it printed
holds() {
  local rest=${1#* }
  case $1 in
    'exit fail') [[ $STATUS -ne 0 ]] ;;
    'exit '*) [[ $STATUS -eq $rest ]] ;;
    'http '*) [[ ${OUT##*$'\n'} == "HTTP $rest" ]] ;;
    any) [[ -n $OUT ]] ;;
    'has '*) [[ $OUT == *"$rest"* ]] ;;
    'hasnot '*) [[ $OUT != *"$rest"* ]] ;;
    'json '*) python_holds "$rest" ;;
    *) return 1 ;;
  esac
}

# broken prints the expectations that do not hold.
broken() {
  local expectation
  for expectation in "$@"; do
    holds "$expectation" || printf '%s\n' "$expectation"
  done
}

# harmless cuts what is printed and leaves tokens out of it.
harmless() { sed -E 's/eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)*/eyJ.../g' | cut -c 1-400 | head -n 25; }

# verdict prints the line of the last command; its arguments are all that was expected.
verdict() {
  local line wrong
  number=$((number + 1))
  # Headers say the same each time; without them a line shows what differs.
  line=$(sed -E 's/ -H "[^"]*"//g' <<<"${COMMAND//\\$'\n'/ }" | tr -s ' \n' ' ' | cut -c 1-200)
  wrong=$(broken "$@")
  if [[ -z $wrong ]]; then
    printf 'ok   %3d  %s\n' "$number" "$line"
    return
  fi
  failed=$((failed + 1))
  printf 'FAIL %3d  %s\n' "$number" "$line"
  harmless <<<"$wrong" | sed 's/^/            expected: /'
  harmless <<<"$OUT"$'\n'"(exit status $STATUS)" | sed 's/^/            found:    /'
}

# check runs a command and compares. Without an expectation about the exit status, it must be 0.
check() {
  run "$1"
  shift
  expectations "$@"
  verdict "${wanted[@]}"
}

# soon is check for what takes a moment, such as the log of a pod that starts: it asks again for up to 20 s.
soon() {
  local command=$1 end=$((SECONDS + 20))
  shift
  expectations "$@"
  run "$command"
  while [[ -n $(broken "${wanted[@]}") && $SECONDS -lt $end ]]; do
    sleep 0.2
    run "$command"
  done
  verdict "${wanted[@]}"
}

# expectations puts into wanted what is expected: status 0, unless another one is asked for.
expectations() {
  local expectation
  wanted=("$@")
  for expectation in "$@"; do
    [[ $expectation == 'exit '* ]] && return
  done
  wanted+=('exit 0')
}

# forward runs a `kubectl port-forward ... &` of the guide and waits until it says where it listens; ADDRESS is where.
forward() {
  local end=$((SECONDS + 10)) port=''
  COMMAND=$1 STATUS=0
  (eval "exec ${COMMAND%&}") >"$work/forward" 2>&1 </dev/null &
  forwards+=("$!")
  while [[ -z $port && $SECONDS -lt $end ]] && kill -0 "$!" 2>/dev/null; do
    sleep 0.1
    port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$work/forward")
  done
  # shellcheck disable=SC2034 # read by guide.sh
  ADDRESS="http://127.0.0.1:$port"
  OUT=$(<"$work/forward")
  verdict 'has Forwarding from 127.0.0.1:'
}

# taken runs a port-forward to a port that the environment has. An engine publishes it on 127.0.0.1 alone, so there kubectl
# may still find ::1 free; it leads to the same place.
taken() {
  if [[ $cluster == embedded ]]; then
    check "$1" 'exit fail' 'has address already in use'
  else
    check "{ timeout 3 $1 || true; } 2>&1 | grep -E 'address already in use|Forwarding from .::1.:'"
  fi
}

part() { printf '\n# %s\n' "$1"; }

# closing prints the sum and ends the script.
closing() {
  printf '\n%d passed, %d failed\n' "$((number - failed))" "$failed"
  [[ $failed -eq 0 ]]
  exit
}
