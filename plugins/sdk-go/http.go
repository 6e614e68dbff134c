package step

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Request is an HTTP request. Needs a [Network] permission.
type Request struct {
	// Method is GET if it is empty; any but CONNECT and TRACE.
	Method string
	// URL is absolute, http or https.
	URL string
	// Header are its headers.
	Header []Header
	// Body is its body.
	Body []byte
	// Timeout is how long it may take in all, up to the body's last byte: 30 seconds unless set.
	Timeout time.Duration
	// MaxBody is the longest response body that is read: 8 MiB unless set.
	MaxBody int
}

// Header is one header.
type Header struct{ Name, Value string }

// Response is a response with its body. Redirects are not followed: the step sees the 3xx answer.
type Response struct {
	// Status is the status code.
	Status int
	// Header are its headers in the order they came, names in lower case.
	Header []Header
	// Body is its body.
	Body []byte
}

// Get is a header's first value; empty without one. The name may be in any case.
func (r *Response) Get(name string) string {
	for _, header := range r.Header {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// RetryAfter is how long the service asks to wait; 0 if it doesn't, or with a date.
func (r *Response) RetryAfter() time.Duration {
	seconds, err := strconv.ParseUint(strings.TrimSpace(r.Get("retry-after")), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// JSON reads the body into a value.
func (r *Response) JSON(value any) error {
	if err := json.Unmarshal(r.Body, value); err != nil {
		return Transient("http_bad_response", "the answer is not the JSON it should be: "+err.Error())
	}
	return nil
}

// Get sends a GET request.
func Get(url string) (*Response, error) { return Request{URL: url}.Send() }

// PostJSON sends a POST request with a JSON body.
func PostJSON(url string, value any) (*Response, error) {
	body, err := marshal(value)
	if err != nil {
		return nil, &HTTPError{Kind: HTTPInvalidRequest, Detail: "the body does not fit into JSON: " + err.Error()}
	}
	header := []Header{{"content-type", "application/json"}}
	return Request{Method: "POST", URL: url, Header: header, Body: body}.Send()
}

// Send sends it and reads the response. A status that says no is no error: see [Response.Status]. Errors are an
// [*HTTPError].
func (r Request) Send() (*Response, error) {
	if r.Method == "" {
		r.Method = "GET"
	}
	if r.Timeout <= 0 {
		r.Timeout = 30 * time.Second
	}
	if r.MaxBody <= 0 {
		r.MaxBody = 8 << 20
	}
	parts, err := parseURL(r.URL)
	if err != nil {
		// Without the URL: it may hold a secret.
		return nil, &HTTPError{Kind: HTTPInvalidRequest, Detail: err.Error()}
	}
	response, httpError := hostSend(&r, parts)
	if httpError != nil {
		return nil, httpError
	}
	return response, nil
}

type urlParts struct {
	https           bool
	authority, path string
}

func (p urlParts) origin() string {
	if p.https {
		return "https://" + p.authority
	}
	return "http://" + p.authority
}

func parseURL(text string) (urlParts, error) {
	var parts urlParts
	scheme, rest, found := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if !found || scheme != "http" && scheme != "https" {
		return parts, errors.New("the URL does not begin with http:// or https://")
	}
	if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }) {
		return parts, errors.New("the URL has a space, a line break or a control character in it")
	}
	end := strings.IndexAny(rest, `/?#\`)
	if end < 0 {
		end = len(rest)
	}
	parts.https, parts.authority = scheme == "https", rest[:end]
	path, _, _ := strings.Cut(rest[end:], "#")
	switch {
	case parts.authority == "":
		return parts, errors.New("the URL has no host")
	case strings.Contains(parts.authority, "@"):
		return parts, errors.New("the URL has a user name or a password in it: pass them in a header")
	case strings.HasPrefix(path, `\`):
		return parts, errors.New("the URL has a backslash after its host")
	case !strings.HasPrefix(path, "/"):
		path = "/" + path
	}
	if _, err := url.ParseRequestURI(path); err != nil {
		return parts, errors.New("the URL's path is not valid")
	}
	parts.path = path
	return parts, nil
}

// HTTPErrorKind is what kind of thing went wrong with a request.
type HTTPErrorKind uint8

const (
	// HTTPInvalidRequest: it can't be sent as it is: a bad URL, header or body.
	HTTPInvalidRequest HTTPErrorKind = iota
	// HTTPDenied: policy says no.
	HTTPDenied
	// HTTPDNS: the host's name could not be resolved.
	HTTPDNS
	// HTTPConnect: the connection could not be made, or broke before there was an answer.
	HTTPConnect
	// HTTPTLS: no secure connection, or the certificate is not trusted.
	HTTPTLS
	// HTTPTimeout: a timeout passed.
	HTTPTimeout
	// HTTPBadResponse: what came back is no complete HTTP response.
	HTTPBadResponse
	// HTTPTooLarge: the body is longer than the request's limit.
	HTTPTooLarge
)

// HTTPError is why there is no response, or not all of it. Its text names the host, and never more of the URL.
type HTTPError struct {
	// Kind is what kind of thing went wrong.
	Kind HTTPErrorKind
	// Origin is scheme and host.
	Origin string
	// Detail is the reason.
	Detail string
}

// Error says what happened.
func (e *HTTPError) Error() string {
	formats := [...]string{
		"the request can't be sent: %[2]s",
		"the request to %s was denied: %s",
		"the host of %s could not be found: %s",
		"no connection to %s: %s",
		"no secure connection to %s: %s",
		"%s did not answer in time: %s",
		"the answer of %s could not be read: %s",
		"the answer of %s is too long: %s",
	}
	return fmt.Sprintf(formats[e.Kind], e.Origin, e.Detail)
}

// Failure is the failure that the step ends with if it returns this error.
func (e *HTTPError) Failure() *Failure {
	codes := [...]string{
		"http_invalid_request", "denied", "http_dns", "http_connect", "http_tls", "http_timeout", "http_bad_response",
		"http_too_large",
	}
	message := e.Error()
	switch e.Kind {
	case HTTPTLS:
		message += " (hint: a private certificate authority has to be known to shiro)"
	case HTTPDNS, HTTPConnect, HTTPTimeout, HTTPBadResponse:
		return Transient(codes[e.Kind], message)
	}
	return Permanent(codes[e.Kind], message)
}
