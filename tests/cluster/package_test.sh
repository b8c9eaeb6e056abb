#!/usr/bin/env bash
# package_test.sh BUILD: packs the programs of the build folder BUILD, unpacks them in an empty folder, as an unprivileged user where this
# is root, and uses them there: each says what it is, no library that ought to travel along is the system's, and where the trainer is
# built a training runs to its end. Exit code 0: all of it worked.
set -euo pipefail
[[ $# == 1 ]] || { sed -n 2,4p "$0"; exit 2; }
build=$(cd "$1" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/cf_package_XXXXXX")
trap 'rm -rf "$folder"' EXIT
fail() { echo "package_test: $1" >&2; exit 1; }

user=()
if ((EUID == 0)); then
  chmod 755 "$folder"
  user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
# The environment of a login, without what led here.
user+=(env -i HOME="$folder/home" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8)

cpack --config "$build/CPackConfig.cmake" -B "$folder/pack" >"$folder/cpack.log" 2>&1 || { cat "$folder/cpack.log" >&2; fail "cpack failed"; }
archive=$(echo "$folder"/pack/*.tar.gz)
install -d -m 777 "$folder/home"
chmod 755 "$folder/pack"
(cd "$folder/home" && "${user[@]}" tar xzf "$archive")
root=$(echo "$folder"/home/cf-*)

for program in "$root"/bin/*; do
  "${user[@]}" "$program" --help >"$folder/help" 2>&1 || { cat "$folder/help" >&2; fail "$program --help failed"; }
  [[ -s $folder/help ]] || fail "$program --help says nothing"
  # What a library of Open MPI needs in its turn is the system's too.
  [[ ${program##*/} == cfworker ]] && continue
  foreign=$("${user[@]}" ldd "$program" | grep '=>' | grep -v "=> $root/bin/../lib/" | grep -vE '^\s*lib(c|m|stdc\+\+|gcc_s|atomic|dl|pthread|rt)\.so' || true)
  [[ -z $foreign ]] || fail "$program uses libraries that did not travel along: $foreign"
done

if [[ -x $root/bin/cfworker && -x $root/bin/cfdata ]]; then
  cd "$root"
  "${user[@]}" bin/cfdata synth --preset ml-latest-small --out data/synthetic
  "${user[@]}" bin/cfrun -n 2 configs/quickstart.textproto --data data/synthetic --run runs/first --set train.epochs=1
  [[ -e runs/first/snapshots/best ]] || fail "the training left no snapshot"
fi
echo "package_test: $(basename "$archive") works"
