package step

import "reflect"

// Permissions are what a step type asks for. What it gets is for whoever runs the workflow to decide. `{config.key}` in a
// URL, a program or a path stands for what the user configured, and nothing else.
type Permissions struct {
	// Network lists where it sends HTTP requests to.
	Network []Network `json:"network,omitempty"`
	// Process lists the programs it runs.
	Process []Process `json:"process,omitempty"`
	// Environment lists the variables of the job that it sees, e.g. with [os.Getenv]: names, or the beginning of one and `*`.
	// Secret ones are never among them.
	Environment []string `json:"environment,omitempty"`
	// Secrets lists the secret variables of the job that it sees, each by its name. Their values are masked wherever they
	// would show.
	Secrets []string `json:"secrets,omitempty"`
	// Files lists the directories whose files it reads or writes, with package os.
	Files []Directory `json:"files,omitempty"`
	// Store lists the keys of the workflow's shared data that it reads or writes, with [Load], [Store] and their like.
	Store []Keys `json:"store,omitempty"`
	// Limits are what it is likely to need.
	Limits Limits `json:"limits,omitzero"`
}

// IsZero says that nothing is asked for.
func (p Permissions) IsZero() bool { return reflect.DeepEqual(p, Permissions{}) }

// Network is HTTP requests to the scheme, host and port of a URL.
type Network struct {
	// URL is the URL. Its host may be `*.example.com`, any name below it.
	URL string `json:"url"`
	// Methods are the methods it uses, in upper case; any without them.
	Methods []string `json:"methods,omitempty"`
	// PathPrefix is what paths begin with, segment by segment, e.g. `/v1/`; any without it.
	PathPrefix string `json:"path_prefix,omitempty"`
}

// Process is running a program.
type Process struct {
	// Program is its name, or `*` for any.
	Program string `json:"program"`
	// Args are its arguments, one pattern each: a text is itself, `*` any one argument, `**` at the end any further ones. Nil
	// means any; an empty list means none.
	Args []string `json:"args,omitzero"`
	// WorkingDir is the directory that it may run in, or below: relative to the project's, which it is without it, or `/` for
	// anywhere.
	WorkingDir string `json:"working_dir,omitempty"`
	// Environment lists the variables of the job that it inherits: names, or the beginning of one and `*`.
	Environment []string `json:"environment,omitempty"`
	// InheritEnvironment hands it the job's environment, with every secret in it.
	InheritEnvironment bool `json:"inherit_environment,omitempty"`
}

// Directory is the files of a directory.
type Directory struct {
	// Path is absolute: Go finds no files below a directory that is granted by a relative path. `{config.key}` may be one.
	Path string `json:"path"`
	// Access is [Read] unless set.
	Access Access `json:"access,omitempty"`
}

// Keys are keys of the workflow's shared data.
type Keys struct {
	// Scope is how far the data reaches; `*` is each scope.
	Scope Scope `json:"scope"`
	// Keys is a key, or with a `*` behind it all keys that begin so.
	Keys string `json:"keys"`
	// Access is [Read] unless set.
	Access Access `json:"access,omitempty"`
}

// Access is what is done with files or keys.
type Access string

const (
	// Read is reading only.
	Read Access = "read"
	// ReadWrite is reading and writing.
	ReadWrite Access = "read-write"
)

// Limits of one attempt that a step would like raised; 0 where the usual ones do. They are for a policy to set: this says
// what the step is likely to need.
type Limits struct {
	// MemoryMiB is memory.
	MemoryMiB uint32 `json:"memory_mib,omitempty"`
	// CPUSeconds is the time in which it computes.
	CPUSeconds uint32 `json:"cpu_seconds,omitempty"`
	// WallSeconds is the time in all.
	WallSeconds uint32 `json:"wall_seconds,omitempty"`
	// OutputMiB is what it returns.
	OutputMiB uint32 `json:"output_mib,omitempty"`
	// LogMiB is what it writes to its log, standard output and standard error.
	LogMiB uint32 `json:"log_mib,omitempty"`
	// FilesMiB is what it writes to files.
	FilesMiB uint32 `json:"files_mib,omitempty"`
	// HTTPMiB is HTTP bodies in each direction.
	HTTPMiB uint32 `json:"http_mib,omitempty"`
	// StoreMiB is what it stores in the shared data.
	StoreMiB uint32 `json:"store_mib,omitempty"`
	// OpenRequests is HTTP requests in flight at once; more wait.
	OpenRequests uint32 `json:"open_requests,omitempty"`
}
