// Two /sys trees compared: directories, or the tree of a machine.
#pragma once

#include "fakesysfs/tree.h"

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace rdmalab::harness {

// Where a tree comes from. Paths are relative, "" is the top.
class TreeSource {
public:
    enum class Kind { directory, file, link, other };
    struct Entry {
        Kind kind = Kind::other;
        unsigned mode = 0; // permission bits; of a link 0
        std::string target;
        bool unreadable = false; // known beforehand: reading it is an error
    };

    TreeSource() = default;
    TreeSource(const TreeSource&) = delete;
    TreeSource& operator=(const TreeSource&) = delete;
    virtual ~TreeSource() = default;
    virtual std::map<std::string, Entry> list(const std::string& directory) const = 0;
    virtual std::optional<std::string> read(const std::string& file) const = 0; // nothing: reading is an error
};

// A copy or an export of /sys, or a live one. Does not leave the file system that `directory` is on. SystemError when it is no
// directory.
std::unique_ptr<TreeSource> directorySource(const std::string& directory);
// What is below `top` of a tree, which must outlive it.
std::unique_ptr<TreeSource> treeSource(const fakesysfs::Tree& tree, const std::string& top = "/sys");

struct DiffOptions {
    // fnmatch(3) patterns. One without '/' is about a name at any depth; one with '/' about the path from the top, where '*'
    // stops at '/'. What is below an ignored directory is ignored too.
    std::vector<std::string> ignore;
    bool values = true; // false: names, kinds, modes and link targets only
};
// Patterns for what differs between two boots of the same machine: statistics, counters, interface indexes, interrupts.
const std::vector<std::string>& volatileNames();

struct Difference {
    enum class What { missing, extra, kind, mode, target, content } what;
    std::string path;
    std::string detail;    // "mode 0444 | 0644"; several lines for content
    std::size_t below = 0; // entries in a directory that is missing or extra
};

struct DiffResult {
    std::vector<Difference> differences; // in the order of paths
    std::size_t compared = 0;            // entries that both have
};

// A file that cannot be read is taken for one that is empty or not there: copies and exports have no other way to show it.
DiffResult diffTrees(const TreeSource& one, const TreeSource& other, const DiffOptions& options = {});

// One line for each difference, "-" what only the first has and "+" what only the other has; a summary in the end.
void printDiff(const DiffResult& result, std::ostream& out);

} // namespace rdmalab::harness
