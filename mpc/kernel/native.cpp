// The thin binding of core/: arrays come in through the buffer protocol and the work runs without the interpreter lock. The Python
// wrapper allocates results, brings operands into the form wanted here and explains errors; these checks keep memory safe.
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <string>
#include <utility>

#include "core/entries.hpp"

namespace {

using kernel::Entry;
using kernel::index;

class Array {
    Py_buffer buffer{};
    bool held = false;
    kernel::Axes axes;

public:
    ~Array() {
        if (held) PyBuffer_Release(&buffer);
    }
    bool hold(PyObject* object, const kernel::Kind& kind, kernel::View& view) {
        held = PyObject_GetBuffer(object, &buffer, PyBUF_FORMAT | (kind.written ? PyBUF_STRIDED : PyBUF_STRIDED_RO)) == 0;
        if (!held || !plain(buffer.format) || buffer.ndim > kernel::most_dims || (buffer.ndim > 0 && !buffer.shape)) return false;
        index given[kernel::most_dims];
        for (index i = buffer.ndim, step = buffer.itemsize; i-- > 0; step *= buffer.shape[i]) {
            given[i] = buffer.strides ? buffer.strides[i] : step;  // some objects leave them out where they are in C order
        }
        view = {buffer.buf, buffer.itemsize, buffer.ndim, buffer.shape, given};
        return kernel::fit(view, kind, axes);
    }

private:
    // Whether elements are single numbers of this machine: no references to objects, no records, no foreign byte order.
    static bool plain(const char* format) {
        if (!format) return true;
        if (*format == '@' || *format == '=' || *format == '<') ++format;
        return *format && std::strchr("bBchHiIlLqQnNd?", *format) && !format[1];
    }
};

constexpr int most_numbers = 6;

// Arguments: the number of the instruction set, the entry's integers, its arrays. Returns what the operation returns.
template <const Entry& E>
PyObject* call(PyObject*, PyObject* const* args, Py_ssize_t count) {
    static_assert(E.numbers <= most_numbers && E.views <= kernel::most_views, "raise the limits");
    const index arrays = count - 1 - E.numbers;
    bool fits = kernel::takes(E, arrays);
    long long numbers[most_numbers + 1] = {};
    for (int i = 0; fits && i <= E.numbers; ++i) {
        numbers[i] = PyLong_AsLongLong(args[i]);
        fits = !(numbers[i] == -1 && PyErr_Occurred());
    }
    fits = fits && numbers[0] >= 0 && numbers[0] < kernel::sets && kernel::usable(static_cast<kernel::Set>(numbers[0]));
    Array held[kernel::most_views];
    kernel::View views[kernel::most_views];
    for (int i = 0; fits && i < arrays; ++i) fits = held[i].hold(args[1 + E.numbers + i], kernel::kind(E, i), views[i]);
    long result = kernel::unfit;
    if (fits) {
        const kernel::Call call{static_cast<kernel::Set>(numbers[0]), numbers + 1, views, static_cast<int>(arrays)};
        PyThreadState* state = PyEval_SaveThread();
        result = kernel::run(E, call);
        PyEval_RestoreThread(state);
    }
    if (result >= 0) return PyLong_FromLong(result);
    if (result == kernel::no_memory) return PyErr_NoMemory();
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the arguments do not fit this function or each other");
    return nullptr;
}

PyObject* paths(PyObject*, PyObject* const*, Py_ssize_t) {
    std::string names;
    for (int set = 0; set < kernel::sets; ++set) {
        names += kernel::usable(static_cast<kernel::Set>(set)) ? std::string(kernel::set_names[set]) + " " : "- ";
    }
    return PyUnicode_FromString(names.c_str());
}

template <class F>
PyMethodDef method(const char* name, F function) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)), METH_FASTCALL, nullptr};
}

template <std::size_t... I>
PyMethodDef* methods(std::index_sequence<I...>) {
    static PyMethodDef all[] = {method("paths", paths), method(kernel::entries[I]->name, call<*kernel::entries[I]>)..., {}};
    return all;
}

}  // namespace

PyMODINIT_FUNC PyInit__native() {
    static PyModuleDef_Slot slots[] = {{0, nullptr}};
    static PyModuleDef module{PyModuleDef_HEAD_INIT, "_native", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr};
    module.m_methods = methods(std::make_index_sequence<std::size(kernel::entries)>());
    return PyModuleDef_Init(&module);
}
