// Renders templates with Go's own text/template, for test_templates_against_go.py.
//
// Standard input has a JSON document for each: {"Template": ..., "Data": ...}; standard output a line for
// each: ["ok", text] or ["error", message]. Integers stay integers, as in dinv.
package main

import (
	"bytes"
	"encoding/json"
	"os"
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

var functions = template.FuncMap{
	"json":       func(value any) (string, error) { return marshal(value, "") },
	"prettyjson": func(value any) (string, error) { return marshal(value, "    ") },
	"lower":      strings.ToLower,
	"split":      strings.Split,
	"title":      strings.Title,
	"trim":       strings.TrimSpace,
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
	for {
		var given struct {
			Template string
			Data     any
		}
		if in.Decode(&given) != nil {
			return
		}
		out.Encode(render(given.Template, plain(given.Data)))
	}
}
