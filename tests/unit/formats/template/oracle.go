// Renders templates with Go's own text/template, for go_oracle.py.
//
// Standard input has a JSON document for each: {"Template": ..., "Data": ..., "Struct": ...}; standard output a
// line for each: ["ok", text] or ["error", message]. Integers stay integers, as in dinv. With Struct the keys of
// Data are the fields of a struct, in alphabetical order. The first line is Go's version.
//
// Written for Go 1.18, since Debian 12 has 1.19.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"sort"
	"strings"
	"text/template"
)

func marshal(value any, indent string) (string, error) {
	text, err := json.Marshal(value)
	if indent != "" {
		text, err = json.MarshalIndent(value, "", indent)
	}
	return string(text), err
}

// A list of JSON is no []string, which strings.Join wants.
func join(list any, separator string) (string, error) {
	items := reflect.ValueOf(list)
	if items.Kind() != reflect.Slice {
		return "", fmt.Errorf("expected a list; got %T", list)
	}
	texts := []string{}
	for index := 0; index < items.Len(); index++ {
		texts = append(texts, fmt.Sprint(items.Index(index).Interface()))
	}
	return strings.Join(texts, separator), nil
}

func pad(text string, before, after int) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%*s%s%*s", before, "", text, after, "")
}

func truncate(text string, length int) string {
	if length < 0 {
		length = 0
	}
	if length > len(text) {
		length = len(text)
	}
	return text[:length]
}

var functions = template.FuncMap{
	"join":       join,
	"json":       func(value any) (string, error) { return marshal(value, "") },
	"lower":      strings.ToLower,
	"pad":        pad,
	"prettyjson": func(value any) (string, error) { return marshal(value, "    ") },
	"split":      strings.Split,
	"title":      strings.Title,
	"trim":       strings.TrimSpace,
	"truncate":   truncate,
	"upper":      strings.ToUpper,
}

func plain(value any) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return int(whole)
		}
		float, _ := value.Float64()
		return float
	case map[string]any:
		for key, item := range value {
			value[key] = plain(item)
		}
	case []any:
		for index, item := range value {
			value[index] = plain(item)
		}
	}
	return value
}

func structOf(data map[string]any) any {
	names := []string{}
	for name := range data {
		names = append(names, name)
	}
	sort.Strings(names)
	fields := []reflect.StructField{}
	for _, name := range names {
		fields = append(fields, reflect.StructField{Name: name, Type: reflect.TypeOf(data[name])})
	}
	record := reflect.New(reflect.StructOf(fields)).Elem()
	for index, name := range names {
		record.Field(index).Set(reflect.ValueOf(data[name]))
	}
	return record.Interface()
}

func render(text string, data any) []string {
	parsed, err := template.New("").Funcs(functions).Parse(text)
	if err != nil {
		return []string{"error", err.Error()}
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		return []string{"error", err.Error()}
	}
	return []string{"ok", out.String()}
}

func main() {
	in := json.NewDecoder(os.Stdin)
	in.UseNumber()
	out := json.NewEncoder(os.Stdout)
	out.Encode(runtime.Version())
	for {
		var given struct {
			Template string
			Data     any
			Struct   bool
		}
		if in.Decode(&given) != nil {
			return
		}
		data := plain(given.Data)
		if given.Struct {
			data = structOf(data.(map[string]any))
		}
		out.Encode(render(given.Template, data))
	}
}
