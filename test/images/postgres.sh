# PostgreSQL of Debian, which reads the variables that the manifest sets: those of the image that its makers publish.
# shellcheck shell=bash disable=SC2034,SC2154

tag=docker.io/library/postgres:15
inputs=(postgres)

build() {
  local root=$work/postgres/root
  mkdir -p "$work/postgres"
  timed "Debian packages of PostgreSQL" -- debian_root "$root" ca-certificates,postgresql-15
  install -m 0755 postgres/entrypoint "$root/usr/local/bin/entrypoint"
  ln -s /usr/lib/postgresql/15/bin/pg_isready "$root/usr/local/bin/pg_isready"
  install -d -o 999 -g 999 "$root/var/run/postgresql" "$root/var/lib/postgresql/data"
  sed -i 's/^postgres:x:[0-9]*:[0-9]*:/postgres:x:999:999:/' "$root/etc/passwd"
  sed -i 's/^postgres:x:[0-9]*:/postgres:x:999:/' "$root/etc/group"
  image "$work/postgres" "$tag" <<'END'
ENV LANG=C.UTF-8 PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin
USER 999
EXPOSE 5432
ENTRYPOINT ["/usr/local/bin/entrypoint"]
END
}
