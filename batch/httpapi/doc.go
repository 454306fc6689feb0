// Package httpapi is the HTTP face of the engine: an http.Handler that creates, reads and
// changes batches, and tells what becomes of their recipients. Its document is openapi.yaml, which
// it serves itself.
//
// [New] makes the handler, [Keys] tells whose request it is, and [NewServer] makes a server with
// limits that suit it. A host may use its own for each of the two last.
//
// What holds for every answer: it carries the id of the request (X-Request-Id), the client's where
// that is a UUID; it is never stored by caches; an error is a JSON object with a code
// for programs and words for people, and nothing of what went wrong inside, which the
// log tells under the same id.
//
// A client is never waited for without a limit: for its headers, its body, or for it to take its
// answer. Bodies are limited in size before and while they are read.
package httpapi
