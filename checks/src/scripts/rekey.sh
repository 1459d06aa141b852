# Gives the machine another key to be known by. Input: the private key. TRUEUP_SSHD: where another server than the system's has its key
# and the file with its process.
umask 077
key="${TRUEUP_SSHD:-/etc/ssh}/ssh_host_ed25519_key"
process="${TRUEUP_SSHD:-/run}/sshd.pid"
root=
[ -w "$key" ] || root="sudo -n"
new=$(mktemp) || exit 1
trap 'rm -f "$new" "$new.pub"' EXIT
cat > "$new" && ssh-keygen -y -f "$new" > "$new.pub" || exit 1
$root install -m 600 "$new" "$key.new" && $root install -m 644 "$new.pub" "$key.pub" && $root mv -f "$key.new" "$key" || exit 1
if [ -z "$TRUEUP_SSHD" ] && command -v systemctl > /dev/null; then
  $root systemctl reload ssh 2>/dev/null || $root systemctl reload sshd
else
  $root kill -HUP "$(cat "$process")"
fi
