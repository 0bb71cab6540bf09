#include "harness/cli/tree_diff.h"

#include <fmt/format.h>

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

namespace rdmalab::harness {
namespace {

constexpr std::size_t mostLines = 400; // beyond that, texts are compared as bytes
constexpr std::size_t shownBytes = 8;

using Entry = TreeSource::Entry;
using Kind = TreeSource::Kind;
using What = Difference::What;

const char* name(Kind kind) {
    switch (kind) {
    case Kind::directory:
        return "a directory";
    case Kind::file:
        return "a file";
    case Kind::link:
        return "a link";
    case Kind::other:
        break;
    }
    return "a special file";
}

// Safe on a terminal.
std::string printable(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            out += fmt::format("\\x{:02x}", byte);
        else
            out += c;
    }
    return out;
}

bool isText(const std::string& content) {
    return std::none_of(content.begin(), content.end(),
                        [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f; });
}

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        out.push_back(line);
    return out;
}

// The lines that are not in both, in their order: by the longest common subsequence.
std::string lineDifference(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    std::vector<std::vector<unsigned>> common(a.size() + 1, std::vector<unsigned>(b.size() + 1));
    for (std::size_t i = a.size(); i-- > 0;)
        for (std::size_t j = b.size(); j-- > 0;)
            common[i][j] = a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
    std::string out;
    const auto add = [&out](char sign, const std::string& line) { out += fmt::format("\n    {} {}", sign, printable(line)); };
    std::size_t i = 0, j = 0;
    while (i < a.size() || j < b.size()) {
        if (i < a.size() && j < b.size() && a[i] == b[j]) {
            ++i;
            ++j;
        } else if (i < a.size() && (j == b.size() || common[i + 1][j] >= common[i][j + 1])) {
            add('-', a[i++]);
        } else {
            add('+', b[j++]);
        }
    }
    return out;
}

std::string hex(const std::string& content, std::size_t from) {
    std::string out;
    for (std::size_t i = from; i < std::min(content.size(), from + shownBytes); ++i)
        out += fmt::format("{}{:02x}", out.empty() ? "" : " ", static_cast<unsigned char>(content[i]));
    return out.empty() ? "nothing" : out;
}

std::string byteDifference(const std::string& a, const std::string& b) {
    const std::size_t both = std::min(a.size(), b.size());
    std::size_t first = both, differ = std::max(a.size(), b.size()) - both;
    for (std::size_t i = both; i-- > 0;)
        if (a[i] != b[i]) {
            first = i;
            ++differ;
        }
    return fmt::format("binary: {} | {} bytes, {} differ, first at {:#x}\n    - {}\n    + {}", a.size(), b.size(), differ, first,
                       hex(a, first), hex(b, first));
}

std::string contentDifference(const std::string& a, const std::string& b) {
    if (!isText(a) || !isText(b))
        return byteDifference(a, b);
    const auto left = lines(a), right = lines(b);
    if (left == right)
        return "text: only the newline at the end";
    if (left.size() > mostLines || right.size() > mostLines)
        return byteDifference(a, b);
    return "text:" + lineDifference(left, right);
}

class Differ {
public:
    Differ(const TreeSource& one, const TreeSource& other, const DiffOptions& options)
        : one_(one), other_(other), options_(options) {}

    void directory(const std::string& path) {
        const auto left = one_.list(path), right = other_.list(path);
        auto l = left.begin();
        auto r = right.begin();
        while (l != left.end() || r != right.end()) {
            const bool takeLeft = l != left.end() && (r == right.end() || l->first <= r->first);
            const bool takeRight = r != right.end() && (l == left.end() || r->first <= l->first);
            const std::string& entry = takeLeft ? l->first : r->first;
            const std::string own = path.empty() ? entry : path + "/" + entry;
            if (!ignored(own, entry)) {
                if (takeLeft && takeRight)
                    both(own, l->second, r->second);
                else
                    single(own, takeLeft ? l->second : r->second, takeLeft ? one_ : other_,
                           takeLeft ? What::missing : What::extra);
            }
            l = takeLeft ? std::next(l) : l;
            r = takeRight ? std::next(r) : r;
        }
    }

    DiffResult result;

private:
    bool ignored(const std::string& path, const std::string& last) const {
        return std::any_of(options_.ignore.begin(), options_.ignore.end(), [&](const std::string& pattern) {
            const bool whole = pattern.find('/') != std::string::npos;
            const char* wanted = pattern.c_str() + (whole && pattern.starts_with('/') ? 1 : 0);
            return ::fnmatch(wanted, whole ? path.c_str() : last.c_str(), FNM_PATHNAME) == 0;
        });
    }

    void add(What what, const std::string& path, std::string detail, std::size_t below = 0) {
        result.differences.push_back({what, path, std::move(detail), below});
    }

    void single(const std::string& path, const Entry& entry, const TreeSource& source, What what) {
        if (entry.kind == Kind::file && entry.unreadable)
            return;
        const std::size_t below = entry.kind == Kind::directory ? count(path, source) : 0;
        add(what, path, name(entry.kind) + (below == 0 ? "" : fmt::format(" with {} entries", below)), below);
    }

    std::size_t count(const std::string& path, const TreeSource& source) const {
        std::size_t all = 0;
        for (const auto& [entry, info] : source.list(path)) {
            const std::string own = path + "/" + entry;
            if (!ignored(own, entry))
                all += 1 + (info.kind == Kind::directory ? count(own, source) : 0);
        }
        return all;
    }

    void both(const std::string& path, const Entry& a, const Entry& b) {
        ++result.compared;
        if (a.kind != b.kind) {
            add(What::kind, path, fmt::format("{} | {}", name(a.kind), name(b.kind)));
            return;
        }
        if (a.kind == Kind::link) {
            if (a.target != b.target)
                add(What::target, path, fmt::format("link to {} | {}", printable(a.target), printable(b.target)));
            return;
        }
        // An export shows an unreadable file as something else, whose mode means nothing.
        if (a.mode != b.mode && !a.unreadable && !b.unreadable)
            add(What::mode, path, fmt::format("mode {:04o} | {:04o}", a.mode, b.mode));
        if (a.kind == Kind::directory)
            directory(path);
        else if (a.kind == Kind::file && options_.values)
            file(path, a, b);
    }

    void file(const std::string& path, const Entry& a, const Entry& b) {
        const auto read = [&](const TreeSource& source, const Entry& entry) {
            return entry.unreadable ? std::string() : source.read(path).value_or("");
        };
        const std::string left = read(one_, a), right = read(other_, b);
        if (left != right)
            add(What::content, path, contentDifference(left, right));
    }

    const TreeSource& one_;
    const TreeSource& other_;
    const DiffOptions& options_;
};

} // namespace

const std::vector<std::string>& volatileNames() {
    static const std::vector<std::string> names = {"statistics", "counters",        "hw_counters",      "ifindex",
                                                   "iflink",     "carrier_changes", "carrier_up_count", "carrier_down_count",
                                                   "irq",        "msi_irqs",        "runtime_*",        "aer_dev_*",
                                                   "cm_rx_msgs", "cm_tx_msgs",      "cm_tx_retries",    "cm_rx_duplicates"};
    return names;
}

DiffResult diffTrees(const TreeSource& one, const TreeSource& other, const DiffOptions& options) {
    Differ differ(one, other, options);
    differ.directory("");
    return std::move(differ.result);
}

void printDiff(const DiffResult& result, std::ostream& out) {
    std::array<std::size_t, 6> counts{};
    for (const Difference& one : result.differences) {
        ++counts[static_cast<std::size_t>(one.what)];
        const char sign = one.what == What::missing ? '-' : one.what == What::extra ? '+' : '!';
        out << sign << ' ' << printable(one.path) << ": " << one.detail << '\n';
    }
    if (result.differences.empty()) {
        out << fmt::format("same: {} entries compared\n", result.compared);
        return;
    }
    out << fmt::format("different: {} entries compared, {} missing, {} extra, {} of another kind, {} modes, {} link targets, "
                       "{} contents\n",
                       result.compared, counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]);
}

} // namespace rdmalab::harness
