# What a machine runs at its first start so that it is checked. $1: a file with the program's digest, where it is had, where what it says
# goes, then the program's words, one a line. It leaves `running` and what it is at, then `ended CODE` and what it says.
umask 077
work=$(mktemp -d) || exit 1
exec < "$1" || exit 1
read -r digest
read -r get
read -r put
set --
while IFS= read -r word; do
  set -- "$@" "$word"
done
carry() {
  curl --fail --silent --show-error --location --max-time 600 "$@" < /dev/null
}
surely() {
  carry --retry 60 --retry-delay 5 --retry-all-errors "$@"
}
# Tells what it is at, when that has changed. What can't be told is not told again: it must not come after the end.
tell() {
  at=$(tail -n 1 "$work/progress")
  [ "$at" != "$told" ] || return
  told=$at
  printf 'running\n%s\n' "$at" > "$work/left"
  carry --upload-file "$work/left" "$put" > /dev/null 2>&1 || tell() { :; }
}
: > "$work/report"
if ! surely --output "$work/gpucheck" "$get" 2> "$work/progress"; then
  code=1
elif ! printf '%s  %s\n' "$digest" "$work/gpucheck" | sha256sum -c --status; then
  echo "the program that came is not the one that was sent" > "$work/progress"
  code=1
else
  chmod 700 "$work/gpucheck"
  told=
  "$work/gpucheck" "$@" > "$work/report" 2> "$work/progress" < /dev/null &
  while kill -0 $!; do
    tell
    sleep 2
  done 2> /dev/null
  wait $!
  code=$?
fi
{
  echo "ended $code"
  case "$code" in 0 | 2) cat "$work/report" ;; *) tail -n 5 "$work/progress" ;; esac
} > "$work/left"
surely --upload-file "$work/left" "$put" > /dev/null 2>&1
rm -rf "$work"
