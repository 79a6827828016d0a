#!/bin/sh
# A stdio server with one tool, `act`, that does what its argument says, well or badly.
#
# usage: server.sh LOG [stubborn] [mute]
# What it is sent goes to LOG, line by line; so do its process number and its children's. While there
# is a NAME.gone beside NAME.log, it ends at once.
log=$1
mode=${2-}

say() { printf '%s\n' "$1"; }
result() { say "{\"jsonrpc\":\"2.0\",\"id\":$1,\"result\":$2}"; }
text() { result "$1" "{\"content\":[{\"type\":\"text\",\"text\":\"$2\"}]}"; }
note() { printf '%s\n' "$1" >>"$log"; }

# Lives on, whatever it is told.
endless() {
  trap '' TERM HUP INT
  while :; do sleep 1; done
}

note "pid $$"
[ "$mode" = stubborn ] && trap '' TERM HUP INT
[ "$mode" = dead ] && exit 3
[ -e "${log%.log}.gone" ] && exit 3

calls=0
held=
while IFS= read -r line; do
  note "$line"
  id=$(printf '%s\n' "$line" | sed -n 's/^.*"id" *: *\("[^"]*"\|[0-9]*\) *[,}].*$/\1/p')
  token=$(printf '%s\n' "$line" | sed -n 's/^.*"progressToken":\("[^"]*"\|[0-9]*\).*$/\1/p')
  case $line in
    *'"method":"initialize"'*)
      result "$id" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"0"}}' ;;
    *'"method":"tools/list"'*)
      result "$id" '{"tools":[{"name":"act","description":"acts","inputSchema":{"type":"object"}}]}' ;;
    *'"do":"die"'*) exit 7 ;;
    *'"do":"hang"'*) ;;
    *'"do":"hold"'*) held="$held $id" ;;
    *'"do":"release"'*)
      for one in $held; do text "$one" "held $one"; done
      held=
      text "$id" released ;;
    *'"do":"noise"'*)
      say 'this is no JSON'; say '"a string"'; say '{"jsonrpc":"2.0"}'; say '[1,2]'; say ''
      printf 'and this is \033[31mred\n' >&2
      text "$id" quiet ;;
    *'"do":"twice"'*) text "$id" once; text "$id" again ;;
    *'"do":"wrong-id"'*) text 4711 wrong; text "$id" right ;;
    *'"do":"no-utf8"'*) printf '"\303\050"\n' ;;
    *'"do":"long-line"'*) head -c 20971520 /dev/zero | tr '\0' x; say '' ;;
    *'"do":"deaf"'*) exec sleep 1000 ;;
    *'"do":"flood"'*)
      i=0
      while [ $i -lt 2000 ]; do
        say "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":$i}}"
        i=$((i + 1))
      done
      text "$id" flooded ;;
    *'"do":"progress"'*)
      say "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":$token,\"progress\":1}}"
      text "$id" "done" ;;
    *'"do":"ask"'*)
      asker=$id
      say '{"jsonrpc":"2.0","id":"q1","method":"roots/list"}' ;;
    *'"id":"q1"'*) text "$asker" "heard" ;;
    *'"do":"family"'*)
      endless & note "pid $!"
      setsid sh -c 'trap "" TERM HUP; while :; do sleep 1; done' & note "pid $!"
      text "$id" "grown" ;;
    *'"do":"environment"'*) text "$id" "$(env | sort | tr '\n' ';' | sed 's/["\\]//g')" ;;
    *'"do":"unasked"'*)
      text "$id" "later"
      say '{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}' ;;
    *'"do":"count"'*) calls=$((calls + 1)); text "$id" "$calls" ;;
    *'"id"'*) text "$id" fine ;;
  esac
done
note "end of input"
[ "$mode" = stubborn ] && endless
exit 0
