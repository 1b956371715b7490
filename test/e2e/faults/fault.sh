# Makes a fault, sees that it is the one red line, types the printed command, and sees that nothing is wrong: fault.sh ID COMMANDS
set -e
. $FAULTS/lib.sh
eval "$2" > made.txt 2>&1 || { cat made.txt; exit 1; }
began=$(date +%s%N)
if aip-dev doctor > out.txt 2> err.txt; then echo "$1: nothing was found"; cat out.txt; exit 1; fi
took=$(( ($(date +%s%N) - began) / 1000000 ))
red=$(sed -n 's/^  ✗ \([a-z-]*\).*/\1/p' out.txt | tr '\n' ' ')
[ "$red" = "$1 " ] || { echo "expected the one red line $1, found: $red"; cat out.txt; exit 1; }
[ $took -lt 5000 ] || { echo "$1 was named after $took ms; doctor says of itself: $(head -1 out.txt); load $(cut -d' ' -f1 /proc/loadavg)"; exit 1; }
grep -q "^error: $1: " err.txt || { echo "$1 is not the last line"; cat err.txt; exit 1; }
next=$(sed -n 's/^Next:  //p' err.txt)
[ -n "$next" ] || { echo "$1: no command"; exit 1; }
sh -c "$next" > fixed.txt 2>&1 || { echo "$next:"; cat fixed.txt; exit 1; }
. $FAULTS/settled.sh
aip-dev doctor > out.txt 2>&1 || { echo "$1: after \`$next\`"; cat out.txt; exit 1; }
echo "$1 in $took ms, mended by: $next"
