// Renders the chart beside it where there is no helm: Go's own templates, the functions of Masterminds' sprig and those
// that Helm adds, as far as this chart uses them. Hooks, subcharts, lookup and what a cluster would say are not there.
// Debian: golang-go, golang-github-masterminds-sprig-dev, golang-k8s-sigs-yaml-dev. Usage: main.go CHART [VALUES]…
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

const release = "mail"

// files is what templates call as .Files.
type files struct{ chart string }

func (f files) Get(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(f.chart, name))
	return string(text), err
}

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: main.go CHART [VALUES]…"))
	}
	chart := os.Args[1]
	values := map[string]interface{}{}
	for _, file := range append([]string{filepath.Join(chart, "values.yaml")}, os.Args[2:]...) {
		merge(values, read(file))
	}
	meta := map[string]interface{}{}
	for key, value := range read(filepath.Join(chart, "Chart.yaml")) {
		// As Helm does: .Chart.AppVersion for appVersion.
		meta[strings.ToUpper(key[:1])+key[1:]] = value
	}
	names, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	fail(err)
	sort.Strings(names)
	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(functions(all))
	base := meta["Name"].(string) + "/templates"
	for _, name := range names {
		text, err := os.ReadFile(name)
		fail(err)
		template.Must(all.New(base + "/" + filepath.Base(name)).Parse(string(text)))
	}
	facts := map[string]interface{}{
		"Values":  values,
		"Chart":   meta,
		"Files":   files{chart},
		"Release": map[string]interface{}{"Name": release, "Namespace": "relay", "Service": "Helm", "IsInstall": true, "IsUpgrade": false, "Revision": 1},
	}
	for _, name := range names {
		file := filepath.Base(name)
		if strings.HasPrefix(file, "_") {
			continue
		}
		facts["Template"] = map[string]interface{}{"Name": base + "/" + file, "BasePath": base}
		var out bytes.Buffer
		fail(all.ExecuteTemplate(&out, base+"/"+file, facts))
		text := strings.ReplaceAll(out.String(), "<no value>", "")
		if file == "NOTES.txt" {
			fmt.Fprintln(os.Stderr, text)
			continue
		}
		fmt.Printf("---\n# Source: %s\n%s\n", file, text)
	}
}

// functions are sprig's, less those that Helm takes away, and Helm's own.
func functions(all *template.Template) template.FuncMap {
	known := sprig.TxtFuncMap()
	delete(known, "env")
	delete(known, "expandenv")
	render := func(name string, facts interface{}) (string, error) {
		var out bytes.Buffer
		err := all.ExecuteTemplate(&out, name, facts)
		return out.String(), err
	}
	known["include"] = render
	known["tpl"] = func(text string, facts interface{}) (string, error) {
		copied, err := all.Clone()
		if err != nil {
			return "", err
		}
		var out bytes.Buffer
		parsed, err := copied.New("tpl").Parse(text)
		if err == nil {
			err = parsed.Execute(&out, facts)
		}
		return out.String(), err
	}
	known["required"] = func(message string, value interface{}) (interface{}, error) {
		if text, isText := value.(string); value == nil || isText && text == "" {
			return value, errors.New(message)
		}
		return value, nil
	}
	known["fail"] = func(message string) (string, error) { return "", errors.New(message) }
	known["toYaml"] = func(value interface{}) string {
		text, err := yaml.Marshal(value)
		if err != nil {
			return ""
		}
		return strings.TrimSuffix(string(text), "\n")
	}
	known["toJson"] = func(value interface{}) string {
		text, err := json.Marshal(value)
		if err != nil {
			return ""
		}
		return string(text)
	}
	return known
}

func read(file string) map[string]interface{} {
	text, err := os.ReadFile(file)
	fail(err)
	value := map[string]interface{}{}
	fail(yaml.Unmarshal(text, &value))
	return value
}

// merge puts what is in from over what is in into, table by table; null removes.
func merge(into, from map[string]interface{}) {
	for key, value := range from {
		table, isTable := value.(map[string]interface{})
		below, isBelow := into[key].(map[string]interface{})
		switch {
		case value == nil:
			delete(into, key)
		case isTable && isBelow:
			merge(below, table)
		default:
			into[key] = value
		}
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}
