# Starts the program apart from this shell, once. Input: the check's token, the digest, the GPUs to be seen or an empty line, then the
# program's words, one a line.
umask 077
read -r token
read -r digest
read -r visible
home="${XDG_CACHE_HOME:-$HOME/.cache}/trueup"
[ -z "$visible" ] || export CUDA_VISIBLE_DEVICES="$visible"
mkdir -p "$home/checks" || exit 1
find "$home/checks" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} +
mkdir "$home/checks/$token" 2>/dev/null || { [ -d "$home/checks/$token" ] && exit 0; exit 1; }
set --
while IFS= read -r word; do
  set -- "$@" "$word"
done
cd "$home/checks/$token" || exit 1
setsid sh -c '
  echo $$ > process
  "$@" > report 2> progress < /dev/null
  echo $? > ending && mv ending end
' sh "$home/gpucheck/$digest" "$@" > /dev/null 2>&1 < /dev/null &
