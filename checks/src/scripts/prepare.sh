# Whether a program of this digest is there. Input: the digest. Output: the machine's sort, then `there`, or how many bytes of it are.
umask 077
read -r digest
home="${XDG_CACHE_HOME:-$HOME/.cache}/trueup/gpucheck"
mkdir -p "$home" || exit 1
uname -sm
if [ -x "$home/$digest" ] && printf '%s  %s\n' "$digest" "$home/$digest" | sha256sum -c --status; then
  echo there
elif [ -f "$home/$digest.part" ]; then
  wc -c < "$home/$digest.part"
else
  echo 0
fi
