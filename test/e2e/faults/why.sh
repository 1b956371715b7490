# Makes a fault and sees that token why names it by its row and that the printed command makes the token count: why.sh ROW COMMANDS
set -e
. $FAULTS/lib.sh
aip-dev token aip-agent-1 > /dev/null
eval "$2" > made.txt 2>&1 || { cat made.txt; exit 1; }
if aip-dev token why aip-agent-1 > out.txt 2> err.txt; then echo "$1: the token was accepted"; cat out.txt; exit 1; fi
[ "$(sed -n 's/^  ✗ \(T[0-9]*\).*/\1/p' out.txt)" = "$1" ] || { echo "expected $1"; cat out.txt err.txt; exit 1; }
next=$(sed -n 's/^Next:  //p' err.txt)
sh -c "$next" > fixed.txt 2>&1 || { echo "$next:"; cat fixed.txt; exit 1; }
. $FAULTS/settled.sh
aip-dev token why aip-agent-1 > out.txt 2>&1 || { echo "$1: after \`$next\`"; cat out.txt; exit 1; }
