package step

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Schema is as much of JSON Schema 2020-12 as [SchemaOf] makes. Its zero value allows anything.
type Schema struct {
	Type                 any                `json:"type,omitempty"`
	Description          string             `json:"description,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	Required             []string           `json:"required,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Minimum              *json.Number       `json:"minimum,omitempty"`
	Maximum              *json.Number       `json:"maximum,omitempty"`
	Default              json.RawMessage    `json:"default,omitempty"`
	WriteOnly            bool               `json:"writeOnly,omitempty"`
	ContentMediaType     string             `json:"contentMediaType,omitempty"`
	Interpreter          string             `json:"x-interpreter,omitempty"`
	Unless               string             `json:"x-unless,omitempty"`
}

// SchemaOf derives the schema of a type. A closed one refuses properties that the type doesn't have, so that a misspelt
// key is found before a run starts.
//
// A field is named by its `json` tag. It is required unless it is a pointer, has `omitempty`, or has a default. Further
// tags: `doc` (its description), `default` (JSON, or a text as it is), `minimum`, `maximum`, `enum` (separated by commas),
// `secret:"true"` (masked wherever it would show), `media` (contentMediaType), `interpreter` (x-interpreter), `unless`
// (x-unless). A type with a MarshalJSON or an UnmarshalJSON of its own allows anything.
func SchemaOf(t reflect.Type, closed bool) *Schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	pointer := reflect.PointerTo(t)
	if pointer.Implements(reflect.TypeFor[json.Marshaler]()) || pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return &Schema{}
	}
	switch t.Kind() {
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &Schema{Type: "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: "integer", Minimum: number("0")}
	case reflect.Float32, reflect.Float64:
		return &Schema{Type: "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return &Schema{Type: "string"} // encoding/json: base64
		}
		return &Schema{Type: "array", Items: SchemaOf(t.Elem(), closed)}
	case reflect.Map:
		return &Schema{Type: "object", AdditionalProperties: SchemaOf(t.Elem(), closed)}
	case reflect.Struct:
		return structSchema(t, closed)
	default:
		return &Schema{}
	}
}

func structSchema(t reflect.Type, closed bool) *Schema {
	schema := &Schema{Type: "object", Properties: map[string]*Schema{}}
	for _, field := range reflect.VisibleFields(t) {
		name, options, ok := jsonName(field)
		if !ok {
			continue
		}
		property := SchemaOf(field.Type, closed)
		annotate(property, field)
		schema.Properties[name] = property
		if field.Type.Kind() != reflect.Pointer && !strings.Contains(options, "omitempty") && property.Default == nil {
			schema.Required = append(schema.Required, name)
		}
	}
	if closed {
		schema.AdditionalProperties = false
	}
	return schema
}

func annotate(schema *Schema, field reflect.StructField) {
	tag := field.Tag
	schema.Description = tag.Get("doc")
	schema.WriteOnly = tag.Get("secret") == "true"
	schema.ContentMediaType, schema.Interpreter, schema.Unless = tag.Get("media"), tag.Get("interpreter"), tag.Get("unless")
	if text, ok := tag.Lookup("minimum"); ok {
		schema.Minimum = number(text)
	}
	if text, ok := tag.Lookup("maximum"); ok {
		schema.Maximum = number(text)
	}
	if text, ok := tag.Lookup("enum"); ok {
		schema.Enum = strings.Split(text, ",")
	}
	schema.Default = defaultOf(field)
}

// defaultOf is the JSON of a field's default; nil without one.
func defaultOf(field reflect.StructField) json.RawMessage {
	text, ok := field.Tag.Lookup("default")
	switch {
	case !ok:
		return nil
	case field.Type.Kind() == reflect.String:
		return json.RawMessage(quote(text))
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	default:
		panic(fmt.Sprintf("field %s: its default is not JSON: %s", field.Name, text))
	}
}

func quote(text string) []byte {
	encoded, _ := marshal(text) // A string always fits.
	return encoded
}

func number(text string) *json.Number {
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		panic("a minimum or maximum is not a number: " + text)
	}
	number := json.Number(text)
	return &number
}

// jsonName is the name that encoding/json gives a field, and the options behind it.
func jsonName(field reflect.StructField) (name, options string, ok bool) {
	name, options, _ = strings.Cut(field.Tag.Get("json"), ",")
	if !field.IsExported() || name == "-" || field.Anonymous && name == "" {
		return "", "", false
	}
	if name == "" {
		name = field.Name
	}
	return name, options, true
}

// setDefaults writes the defaults into a struct, before JSON is read into it.
func setDefaults(value reflect.Value) {
	if value.Kind() != reflect.Struct {
		return
	}
	for _, field := range reflect.VisibleFields(value.Type()) {
		if _, _, ok := jsonName(field); !ok {
			continue
		}
		target, err := value.FieldByIndexErr(field.Index)
		if err != nil {
			continue // Within an embedded pointer that is nil.
		}
		if text := defaultOf(field); text != nil {
			if err := json.Unmarshal(text, target.Addr().Interface()); err != nil {
				panic(fmt.Sprintf("field %s: its default does not fit: %v", field.Name, err))
			}
			continue
		}
		setDefaults(target)
	}
}
