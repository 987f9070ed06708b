// The kernel's core behind a pipe, so that a machine without Python, such as an emulated one, can run the tests of the extension.
// tests/driver.py is the other end and says what goes through. Arrays lie where a stray access is found: against a page that
// cannot be touched, and in pages that cannot be written unless the operation is to write there.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>

#include "../mpc/kernel/core/entries.hpp"

namespace {

using kernel::index;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "driver: %s\n", what);
    std::exit(1);
}

void read(void* to, index bytes) {
    const auto count = static_cast<std::size_t>(bytes);
    if (std::fread(to, 1, count, stdin) != count) fail("the input ends within a call");
}

void write(const void* from, index bytes) { std::fwrite(from, 1, static_cast<std::size_t>(bytes), stdout); }

index integer() {
    index n;
    read(&n, sizeof n);
    return n;
}

// Memory between two pages that cannot be touched; it ends at the second but for the few bytes that keep its alignment.
class Memory {
    static constexpr std::uint8_t untouched = 0xa5;
    index page = sysconf(_SC_PAGESIZE), bytes, room;
    std::uint8_t *base, *data;

public:
    const bool written = integer() != 0;

    Memory() {
        const index alignment = std::max(integer(), index{1}), remainder = integer();
        bytes = integer();
        room = (bytes + alignment + page - 1) / page * page;
        void* all = mmap(nullptr, static_cast<std::size_t>(room + 2 * page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED) fail("no memory");
        base = static_cast<std::uint8_t*>(all) + page;
        allow(PROT_READ | PROT_WRITE);
        std::memset(base, untouched, static_cast<std::size_t>(room));
        data = base + (room - bytes - remainder) / alignment * alignment + remainder;
        read(data, bytes);
        if (!written) allow(PROT_READ);
    }
    Memory(const Memory&) = delete;
    ~Memory() { munmap(base - page, static_cast<std::size_t>(room + 2 * page)); }

    std::uint8_t* begin() const { return data; }
    void allow(int access) const {
        if (mprotect(base, static_cast<std::size_t>(room), access) != 0) fail("memory cannot be protected");
    }
    void send() const {
        const auto clean = [](const std::uint8_t* from, const std::uint8_t* to) {
            return std::all_of(from, to, [](std::uint8_t b) { return b == untouched; });
        };
        if (!clean(base, data) || !clean(data + bytes, base + room)) fail("an operation wrote beside an array");
        write(data, bytes);
    }
};

struct Array {
    index item = integer();
    std::vector<index> shape, strides;
    index memory, first;

    Array() : shape(static_cast<std::size_t>(integer())), strides(shape.size()) {
        for (index& n : shape) n = integer();
        for (index& n : strides) n = integer();
        memory = integer();
        first = integer();
    }
};

// Calls as native.cpp does.
long call(const kernel::Entry& entry, index set, const std::vector<long long>& numbers, std::vector<kernel::View>& views) {
    const auto count = static_cast<index>(views.size());
    std::vector<kernel::Axes> axes(views.size());
    bool fits = kernel::takes(entry, count) && set >= 0 && set < kernel::sets && kernel::usable(static_cast<kernel::Set>(set));
    for (std::size_t i = 0; fits && i < views.size(); ++i) {
        fits = kernel::fit(views[i], kernel::kind(entry, static_cast<index>(i)), axes[i]);
    }
    if (!fits) return kernel::unfit;
    return kernel::run(entry, {static_cast<kernel::Set>(set), numbers.data(), views.data(), static_cast<int>(count)});
}

void answer(index which) {
    if (which < 0 || which >= static_cast<index>(std::size(kernel::entries))) fail("there is no such entry");
    const kernel::Entry& entry = *kernel::entries[which];
    const index set = integer();
    std::vector<long long> numbers(static_cast<std::size_t>(entry.numbers));
    for (long long& n : numbers) n = integer();
    const std::deque<Memory> memories(static_cast<std::size_t>(integer()));
    const std::vector<Array> arrays(static_cast<std::size_t>(integer()));
    std::vector<kernel::View> views;
    for (const Array& a : arrays) {
        std::uint8_t* data = memories.at(static_cast<std::size_t>(a.memory)).begin() + a.first;
        views.push_back({data, a.item, static_cast<int>(a.shape.size()), a.shape.data(), a.strides.data()});
    }
    const index result = call(entry, set, numbers, views);
    write(&result, sizeof result);
    for (const Memory& memory : memories) {
        if (memory.written) memory.send();
    }
    std::fflush(stdout);
}

// A line with the instruction sets that can be used, then one that names each entry, its integers and its arrays: w where
// written, * where more may follow.
void introduce() {
    for (int set = 0; set < kernel::sets; ++set) {
        std::printf("%s ", kernel::usable(static_cast<kernel::Set>(set)) ? kernel::set_names[set] : "-");
    }
    std::printf("\n");
    for (const kernel::Entry* entry : kernel::entries) {
        std::printf("%s:%d:", entry->name, entry->numbers);
        for (int i = 0; i < entry->views; ++i) std::printf(entry->kinds[i].written ? "w" : "r");
        std::printf(entry->variadic ? "* " : " ");
    }
    std::printf("\n");
    std::fflush(stdout);
}

}  // namespace

int main() {
    introduce();
    for (kernel::index which; std::fread(&which, sizeof which, 1, stdin) == 1;) answer(which);
}
