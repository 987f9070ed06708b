// The thin binding of core.hpp: arrays come in through the buffer protocol and the work runs without the interpreter lock. The
// Python wrapper allocates results, brings operands into the form wanted here and explains errors; these checks keep memory safe.
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <iterator>
#include <new>
#include <string>

#include "core.hpp"

namespace {

using kernel::byte;
using kernel::half;
using kernel::index;
using kernel::Path;
using kernel::word;

struct Kind {
    index item;
    int dims;
    bool written = false;
};

struct Array : Py_buffer {
    bool held = false;
    Array() : Py_buffer{} {}
    ~Array() {
        if (held) PyBuffer_Release(this);
    }
    bool hold(PyObject* object, const Kind& kind) {
        held = PyObject_GetBuffer(object, this, kind.written ? PyBUF_STRIDED : PyBUF_STRIDED_RO) == 0;
        if (!held || itemsize != kind.item || ndim != kind.dims) return false;
        bool aligned = reinterpret_cast<std::uintptr_t>(buf) % static_cast<std::size_t>(itemsize) == 0;
        for (int i = 0; i < ndim; ++i) aligned = aligned && (shape[i] == 1 || strides[i] % itemsize == 0);
        return aligned || len == 0;
    }
    index step(int axis) const { return shape[axis] == 1 ? 1 : strides[axis] / itemsize; }
    template <class T = word>
    T* at(index i = 0) const {
        return static_cast<T*>(buf) + i * step(0);
    }
    kernel::Matrix matrix(index i) const { return {at(i), shape[1], shape[2], step(1), step(2)}; }
};

constexpr long unfit = -1, no_memory = -2;

// Runs an operation on arguments (number of the path, array of each kind, ...) and returns what it does, as a Python int.
template <std::size_t N, class Operation>
PyObject* run(PyObject* const* args, std::size_t count, const Kind (&kinds)[N], Operation operation) {
    Array arrays[N];
    long result = unfit, which = count == N + 1 ? PyLong_AsLong(args[0]) : -1;
    bool fits = which >= 0 && which < static_cast<long>(std::size(kernel::paths)) && kernel::paths[which]->usable();
    for (std::size_t i = 0; fits && i < N; ++i) fits = arrays[i].hold(args[i + 1], kinds[i]);
    if (fits) {
        PyThreadState* state = PyEval_SaveThread();
        try {
            result = operation(*kernel::paths[which], arrays);
        } catch (const std::bad_alloc&) {
            result = no_memory;
        }
        PyEval_RestoreThread(state);
    }
    if (result >= 0) return PyLong_FromLong(result);
    if (result == no_memory) return PyErr_NoMemory();
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the arguments do not fit this function or each other");
    return nullptr;
}

// out += x @ y for each of a batch: (batch, M, K), (batch, K, N), (batch, M, N).
PyObject* matmul(PyObject*, PyObject* const* args, Py_ssize_t count) {
    constexpr Kind kinds[] = {{8, 3}, {8, 3}, {8, 3, true}};
    return run(args, count, kinds, [](const Path& path, const Array (&a)[3]) {
        const auto &x = a[0], &y = a[1], &out = a[2];
        const index batch = out.shape[0], m = out.shape[1], n = out.shape[2], k = x.shape[2];
        if (x.shape[0] != batch || y.shape[0] != batch || x.shape[1] != m || y.shape[1] != k || y.shape[2] != n) return unfit;
        kernel::Product product(path, m, k, n);
        for (index i = 0; i < batch; ++i) product.add(x.matrix(i), y.matrix(i), out.at(i), out.step(1), out.step(2));
        return 0L;
    });
}

// out = x * y + z, all of one dimension.
PyObject* multiply_add(PyObject*, PyObject* const* args, Py_ssize_t count) {
    constexpr Kind kinds[] = {{8, 1}, {8, 1}, {8, 1}, {8, 1, true}};
    return run(args, count, kinds, [](const Path& path, const Array (&a)[4]) {
        const index n = a[3].shape[0];
        if (a[0].shape[0] != n || a[1].shape[0] != n || a[2].shape[0] != n || a[3].step(0) != 1) return unfit;
        kernel::multiply_add(path, {a[0].at(), a[1].at(), a[2].at()}, {a[0].step(0), a[1].step(0), a[2].step(0)}, a[3].at(), n);
        return 0L;
    });
}

// eq, gt = the comparison of tables and digits, all consecutive in one dimension; returns the bitwise or of the digits.
PyObject* digit_compare(PyObject*, PyObject* const* args, Py_ssize_t count) {
    constexpr Kind kinds[] = {{2, 1}, {1, 1}, {1, 1, true}, {1, 1, true}};
    return run(args, count, kinds, [](const Path& path, const Array (&a)[4]) {
        const index n = a[0].shape[0];
        for (const Array& x : a) {
            if (x.shape[0] != n || x.step(0) != 1) return unfit;
        }
        return static_cast<long>(path.compare(a[0].at<half>(), a[1].at<byte>(), a[2].at<byte>(), a[3].at<byte>(), n));
    });
}

PyObject* paths(PyObject*, PyObject* const*, Py_ssize_t) {
    std::string names;
    for (const Path* path : kernel::paths) names += path->usable() ? std::string(path->name) + " " : "- ";
    return PyUnicode_FromString(names.c_str());
}

template <PyObject* (*F)(PyObject*, PyObject* const*, Py_ssize_t)>
PyMethodDef method(const char* name) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(F)), METH_FASTCALL, nullptr};
}

}  // namespace

PyMODINIT_FUNC PyInit__native() {
    static PyMethodDef methods[] = {method<paths>("paths"), method<matmul>("matmul"), method<multiply_add>("multiply_add"),
                                    method<digit_compare>("digit_compare"), {nullptr, nullptr, 0, nullptr}};
    static PyModuleDef_Slot slots[] = {{0, nullptr}};
    static PyModuleDef module{PyModuleDef_HEAD_INIT, "_native", nullptr, 0, methods, slots, nullptr, nullptr, nullptr};
    return PyModuleDef_Init(&module);
}
