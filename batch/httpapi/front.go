package httpapi

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// front is what every request passes before it comes to its endpoint.
type front struct {
	*api

	mux     *http.ServeMux // finds the route and what its path names
	limiter *limiter       // nil: no limit
}

func (a *api) handler() http.Handler { return a.front(a.routes()) }

func (a *api) front(routes []route) http.Handler {
	f := &front{api: a, mux: http.NewServeMux(), limiter: newLimiter(a.cfg.RateLimit, a.cfg.RateBurst)}
	for _, rt := range routes {
		f.mux.Handle(rt.pattern, f.serving(rt))
	}
	f.mux.Handle("/", f.serving(route{}))
	return f
}

// ServeHTTP sees to what holds for every answer, whatever becomes of the request.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(w, r, f.cfg.WriteTimeout)
	common(w.Header(), x.id)
	defer f.log(r, x)
	defer x.finish()
	defer func() {
		if v := recover(); v != nil {
			f.panicked(r, x, v)
		}
	}()
	if r.ContentLength != 0 {
		// What the endpoint leaves of the body is read by the server before it answers,
		// which must not wait for ever either.
		_ = x.rc.SetReadDeadline(time.Now().Add(f.cfg.BodyTimeout))
	}
	if isClean(r) {
		f.mux.ServeHTTP(x, r)
	} else {
		f.serving(route{}).ServeHTTP(x, r)
	}
}

// common are the headers of every answer.
func common(h http.Header, id string) {
	h.Set(headerRequestID, id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// isClean tells the paths that ServeMux matches as they are. It would redirect from the other
// ones, where a client that follows loses its body, or its key to whoever stands there.
func isClean(r *http.Request) bool {
	p := r.URL.EscapedPath()
	return strings.HasPrefix(p, "/") && path.Clean(p) == p
}

// serving is the handler of a route, or of no route where it has no pattern.
func (f *front) serving(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, ok := w.(*exchange)
		if !ok {
			panic(fmt.Sprintf("httpapi: %T is not the front's", w))
		}
		x.pattern = rt.pattern
		if err := f.serve(x, r, rt); err != nil {
			f.fail(r, x, err)
		}
	})
}

// serve takes a request through the checks. Below /agents the key comes first, even before
// whether there is such a path or method: who has none learns nothing but that, and makes us
// read nothing. Then comes the rate, so that guessing at paths counts too.
func (f *front) serve(x *exchange, r *http.Request, rt route) error {
	in := &request{Request: r, id: x.id}
	guarded := isGuarded(r.URL.Path)
	if guarded {
		if err := f.admit(x, in); err != nil {
			return err
		}
	}
	if !isRoute(r) {
		rt = route{}
	}
	answer, err := rt.endpoint(r.Method)
	if err != nil {
		return err
	}
	if guarded {
		if in.version, err = version(r); err != nil {
			return err
		}
	}
	if guarded {
		in.holding = f.bodies.open(in.org)
		defer in.holding.close()
	}
	x.reached = true
	return answer(x, in)
}

// isGuarded tells paths that belong to an organisation from those that are everybody's.
func isGuarded(p string) bool { return p == "/agents" || strings.HasPrefix(p, "/agents/") }

// endpoint is what answers a method. HEAD is a GET of which the server sends the headers.
func (rt route) endpoint(method string) (endpoint, error) {
	if rt.pattern == "" {
		return nil, &problem{
			status: http.StatusNotFound, code: CodeNotFound, title: "Not found",
			message: "There is nothing at this path.",
		}
	}
	if method == http.MethodHead && rt.methods[method] == nil {
		method = http.MethodGet
	}
	if e := rt.methods[method]; e != nil {
		return e, nil
	}
	return nil, notAllowed(strings.Join(rt.allowed(), ", "))
}

func notAllowed(allowed string) *problem {
	return &problem{
		status: http.StatusMethodNotAllowed, code: CodeMethodNotAllowed, title: "Method not allowed",
		message: "Here one can: " + allowed + ".", header: http.Header{"Allow": {allowed}},
	}
}

func (rt route) allowed() []string {
	var methods []string
	for m := range rt.methods {
		methods = append(methods, m)
		if m == http.MethodGet && rt.methods[http.MethodHead] == nil {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return methods
}
