# How far a check is. Input: its token. Output: `absent`, `running`, `died` or `ended CODE`; then what it is at, or what it says.
read -r token
cd "${XDG_CACHE_HOME:-$HOME/.cache}/trueup/checks/$token" 2>/dev/null || { echo absent; exit 0; }
if [ -f end ]; then
  read -r code < end
  echo "ended $code"
  case "$code" in 0 | 2) cat report ;; *) tail -n 5 progress ;; esac
elif [ ! -s process ] || kill -0 "$(cat process)" 2>/dev/null; then
  echo running
  tail -n 1 progress 2>/dev/null
elif [ -f end ]; then
  # It ended between the two looks.
  echo running
else
  echo died
  tail -n 5 progress
fi
exit 0
