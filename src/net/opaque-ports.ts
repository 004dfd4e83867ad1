/**
 * Ports whose protocols let the server speak first, or look like nothing that can be told from their first bytes: on them an
 * undeclared connection is passed on as opaque TCP at once, without a wait. The list is Linkerd's default, so that what
 * works there works here, and MongoDB: its clients speak first, but in a binary protocol that is never HTTP, so looking can
 * only cost time.
 */
export const DEFAULT_OPAQUE_PORTS: ReadonlyMap<number, string> = new Map([
  [25, "SMTP"],
  [587, "SMTP submission"],
  [3306, "MySQL"],
  [4444, "Galera"],
  [5432, "PostgreSQL"],
  [6379, "Redis"],
  [9300, "Elasticsearch transport"],
  [11211, "Memcached"],
  [27017, "MongoDB"],
]);
