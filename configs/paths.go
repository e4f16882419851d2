package configs

import (
	"path/filepath"
	"reflect"

	"github.com/scimsync/scimsync/connectors"
)

// resolvePaths makes the relative file paths of settings relative to folder, so
// that it does not matter where scimsync is started: files of secrets, the files
// of connectors.HTTP, and fields tagged path:"true".
func resolvePaths(settings any, folder string) {
	resolve(reflect.ValueOf(settings), folder)
}

func resolve(v reflect.Value, folder string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			resolve(v.Elem(), folder)
		}
		return
	case reflect.Slice:
		for i := range v.Len() {
			resolve(v.Index(i), folder)
		}
		return
	case reflect.Map:
		resolveMap(v, folder)
		return
	case reflect.Struct:
	default:
		return
	}
	if v.CanAddr() && v.CanInterface() {
		switch known := v.Addr().Interface().(type) {
		case *connectors.Secret:
			known.File = inFolder(folder, known.File)
			return
		case *connectors.HTTP:
			known.CAFile = inFolder(folder, known.CAFile)
			known.ClientCert = inFolder(folder, known.ClientCert)
			return
		}
	}
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		if !f.path {
			resolve(value, folder)
			continue
		}
		for value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		if value.Kind() == reflect.String && value.CanSet() {
			value.SetString(inFolder(folder, value.String()))
		}
	}
}

// resolveMap resolves copies, since the values of a map cannot be changed in
// place.
func resolveMap(v reflect.Value, folder string) {
	if k := v.Type().Elem().Kind(); k != reflect.Struct && k != reflect.Pointer {
		return
	}
	for _, key := range v.MapKeys() {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(key))
		resolve(value, folder)
		v.SetMapIndex(key, value)
	}
}

func inFolder(folder, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
