// libdiptych from Go: what is in a picture?
//
//	PKG_CONFIG_PATH=PREFIX/lib/pkgconfig CGO_LDFLAGS=-Wl,-rpath,PREFIX/lib go run classify.go [PICTURE]
package main

// #cgo pkg-config: diptych
// #include <stdlib.h>
// #include <diptych/c.h>
import "C"

import (
	"errors"
	"fmt"
	"os"
	"unsafe"
)

// fault turns a status into an error and gives it back to the library.
func fault(status *C.diptych_status) error {
	if status == nil {
		return nil
	}
	defer C.diptych_status_free(status)
	return errors.New(C.GoString(C.diptych_status_message(status)))
}

func classify(model *C.diptych_model, path string, labels []string, top int) ([]C.diptych_prediction, error) {
	names := make([]*C.char, len(labels))
	for i, label := range labels {
		names[i] = C.CString(label)
		defer C.free(unsafe.Pointer(names[i]))
	}
	picture := C.diptych_picture{path: C.CString(path)}
	defer C.free(unsafe.Pointer(picture.path))
	predictions := make([]C.diptych_prediction, top)
	err := fault(C.diptych_classify(model, &picture, &names[0], C.size_t(len(names)), nil, &predictions[0],
		C.size_t(top)))
	return predictions, err
}

func run(path string) error {
	name := C.CString("starter")
	defer C.free(unsafe.Pointer(name))
	var model *C.diptych_model
	if err := fault(C.diptych_load(name, nil, &model)); err != nil {
		return err
	}
	defer C.diptych_model_free(model)
	labels := []string{"cat", "dog", "bird", "car"}
	predictions, err := classify(model, path, labels, 2)
	if err != nil {
		return err
	}
	for _, p := range predictions {
		fmt.Printf("%s %.3f\n", labels[p.label], float64(p.probability))
	}
	return nil
}

func main() {
	path := "cat.png"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if err := run(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
