// Package pgtest starts throwaway PostgreSQL servers, and PgBouncer before them, for tests, examples
// and benchmarks: each over a folder of its own that goes when it is stopped, on the loopback interface
// and with superuser "postgres" trusted without a password.
//
//	server, err := pgtest.Start(ctx, pgtest.Options{})
//	if errors.Is(err, pgtest.ErrMissing) { … } // says how to get it
//	defer server.Stop()
//	url, err := server.Create(ctx, "a_database")
//
// The programs are looked for on the path and where distributions put them. They refuse to run as
// root, so under root they run as the user postgres, or else nobody. On Linux they end with this
// process, however it ends.
package pgtest
