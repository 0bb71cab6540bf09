#include "harness/scenario/yaml_tree.h"

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/text_map.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>

namespace rdmalab::scenario {

const YamlEntry* YamlNode::find(std::string_view key) const {
    for (const YamlEntry& entry : entries) {
        if (entry.key == key)
            return &entry;
    }
    return nullptr;
}

std::string describe(const YamlNode& node) {
    switch (node.kind) {
    case YamlNode::Kind::null:
        return "nothing";
    case YamlNode::Kind::list:
        return "a list";
    case YamlNode::Kind::map:
        return "a map";
    case YamlNode::Kind::scalar:
        break;
    }
    constexpr std::size_t shown = 60;
    const std::string text = node.text.size() > shown ? node.text.substr(0, shown) + "..." : node.text;
    return node.plain ? text : '"' + text + '"';
}

namespace {

// Stops the parser: the rest of the text cannot be kept.
struct Stop {
    Place place;
    std::string message, hint;
};

class Builder : public YAML::EventHandler {
public:
    Builder(const std::string& file, Diagnostics& diagnostics, const TextMap* map, const YamlLimits& limits)
        : file_(file), diagnostics_(diagnostics), map_(map), limits_(limits) {}

    YamlPtr takeDocument() { return std::move(root_); }

    Place place(const YAML::Mark& mark) const {
        Place at{file_, mark.line + 1, mark.column + 1};
        if (mark.is_null())
            return {file_, 0, 0};
        if (map_ != nullptr)
            map_->translate(at.line, at.column);
        return at;
    }

    void OnDocumentStart(const YAML::Mark&) override {
        root_.reset();
        stack_.clear();
        anchors_.clear();
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        auto node = make(YamlNode::Kind::null, mark);
        // Content of an empty map value has the mark of the token that follows; the key says more.
        if (!stack_.empty() && stack_.back().keyKnown)
            node->place = stack_.back().key.place;
        finish(std::move(node), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto it = anchors_.find(anchor);
        if (it == anchors_.end() || !it->second)
            throw Stop{place(mark), "this alias refers to the very list or map that it is in", "write the content out"};
        add(it->second, place(mark));
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
        auto node = make(YamlNode::Kind::scalar, mark);
        node->text = value;
        // "?" is what yaml-cpp calls a scalar without quotes, "!" one with.
        node->plain = tag == "?" || tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:bool" ||
                      tag == "tag:yaml.org,2002:float" || tag == "tag:yaml.org,2002:null";
        finish(std::move(node), anchor);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        open(YamlNode::Kind::list, mark, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        open(YamlNode::Kind::map, mark, anchor);
    }
    void OnMapEnd() override {
        merge(*stack_.back().node);
        close();
    }

private:
    struct Frame {
        std::shared_ptr<YamlNode> node;
        YAML::anchor_t anchor;
        YamlEntry key;
        bool keyKnown = false;
        bool keyUsable = true;
        std::unordered_set<std::string> keys;
    };

    std::shared_ptr<YamlNode> make(YamlNode::Kind kind, const YAML::Mark& mark) const {
        auto node = std::make_shared<YamlNode>();
        node->kind = kind;
        node->place = place(mark);
        return node;
    }

    void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
        if (static_cast<int>(stack_.size()) >= limits_.depth)
            throw Stop{place(mark), "nested more than " + std::to_string(limits_.depth) + " levels deep", ""};
        stack_.push_back({make(kind, mark), anchor, {}, false, true, {}});
    }

    void close() {
        Frame frame = std::move(stack_.back());
        stack_.pop_back();
        finish(std::move(frame.node), frame.anchor);
    }

    void finish(std::shared_ptr<YamlNode> node, YAML::anchor_t anchor) {
        const YamlPtr done = std::move(node);
        if (anchor != 0)
            anchors_[anchor] = done;
        add(done, done->place);
    }

    void grow(YamlNode& parent, std::size_t weight, const Place& at) const {
        parent.weight += weight;
        if (parent.weight > limits_.nodes)
            throw Stop{at, "more than " + std::to_string(limits_.nodes) + " values, with aliases written out", ""};
    }

    void add(const YamlPtr& node, const Place& at) {
        if (stack_.empty()) {
            root_ = node;
            return;
        }
        Frame& top = stack_.back();
        if (top.node->isList()) {
            grow(*top.node, node->weight, at);
            top.node->items.push_back(node);
            return;
        }
        if (!top.keyKnown) {
            takeKey(top, *node, at);
            return;
        }
        top.keyKnown = false;
        if (!top.keyUsable)
            return;
        grow(*top.node, node->weight, at);
        top.key.value = node;
        top.node->entries.push_back(std::move(top.key));
        top.key = {};
    }

    void takeKey(Frame& top, const YamlNode& node, const Place& at) {
        top.keyKnown = true;
        top.keyUsable = false;
        top.key.place = at;
        if (!node.isScalar()) {
            diagnostics_.error(at, node.isNull() ? "a key is missing in front of the colon" : "a key must be plain text").found =
                describe(node);
            return;
        }
        top.key.key = node.text;
        top.key.plainKey = node.plain;
        const bool merging = node.plain && node.text == "<<";
        if (!top.keys.insert(node.text).second && !merging) {
            Diagnostic& d = diagnostics_.error(at, "key '" + node.text + "' is given twice");
            if (const YamlEntry* first = top.node->find(node.text))
                d.hint = "the first one is at line " + std::to_string(first->place.line);
            return;
        }
        top.keyUsable = true;
    }

    void merge(YamlNode& map) {
        std::vector<YamlEntry> own;
        std::vector<YamlEntry> sources;
        for (YamlEntry& entry : map.entries)
            (entry.plainKey && entry.key == "<<" ? sources : own).push_back(std::move(entry));
        map.entries = std::move(own);
        if (sources.empty())
            return;
        std::unordered_set<std::string> keys;
        for (const YamlEntry& entry : map.entries)
            keys.insert(entry.key);
        const auto take = [&](const YamlNode& from) {
            for (const YamlEntry& entry : from.entries) {
                if (keys.insert(entry.key).second)
                    map.entries.push_back(entry);
            }
        };
        for (const YamlEntry& source : sources) {
            bool good = source.value->isMap();
            if (good)
                take(*source.value);
            if (source.value->isList()) {
                good = true;
                for (const YamlPtr& item : source.value->items) {
                    good = good && item->isMap();
                    if (item->isMap())
                        take(*item);
                }
            }
            if (!good) {
                Diagnostic& d = diagnostics_.error(source.place, "only a map, or a list of maps, can be merged with <<");
                d.found = describe(*source.value);
            }
        }
    }

    const std::string& file_;
    Diagnostics& diagnostics_;
    const TextMap* map_;
    const YamlLimits& limits_;
    YamlPtr root_;
    std::vector<Frame> stack_;
    std::unordered_map<YAML::anchor_t, YamlPtr> anchors_;
};

// A view as a stream: a scenario is read once, not copied into a stringstream.
class ViewBuffer : public std::streambuf {
public:
    explicit ViewBuffer(std::string_view text) {
        char* begin = const_cast<char*>(text.data()); // a get area is never written to
        setg(begin, begin, begin + text.size());
    }
};

// Length of the UTF-8 sequence at the start of `text`, 0 when it is none.
std::size_t sequenceLength(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80)
        return 1;
    const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                               : (first & 0xf0) == 0xe0         ? 3
                               : first >= 0xf0 && first <= 0xf4 ? 4
                                                                : 0;
    if (length == 0 || text.size() < length)
        return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return 0;
    }
    const unsigned char second = byte(1);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool outside = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
    return overlong || outside ? 0 : length;
}

bool checkCharacters(std::string_view text, const std::string& file, Diagnostics& diagnostics, const TextMap* map) {
    int line = 1, column = 1;
    const auto report = [&](std::string message, std::string hint) {
        Place at{file, line, column};
        if (map != nullptr)
            map->translate(at.line, at.column);
        diagnostics.error(std::move(at), std::move(message)).hint = std::move(hint);
        return false;
    };
    while (!text.empty()) {
        const auto c = static_cast<unsigned char>(text[0]);
        if (c == 0)
            return report("the file contains a NUL byte", "YAML is text; is this the right file?");
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
            return report("the file contains a control character (byte " + std::to_string(c) + ")",
                          "write it as an escape in quotes");
        const std::size_t length = sequenceLength(text);
        if (length == 0)
            return report("the file is not UTF-8 (byte " + std::to_string(c) + ")", "save it as UTF-8");
        if (c == '\n') {
            ++line;
            column = 1;
        } else {
            column += static_cast<int>(length);
        }
        text.remove_prefix(length);
    }
    return true;
}

} // namespace

std::vector<YamlPtr> parseYaml(std::string_view text, const std::string& file, Diagnostics& diagnostics, const TextMap* map,
                               const YamlLimits& limits) {
    std::vector<YamlPtr> documents;
    if (text.size() > limits.bytes) {
        diagnostics.error({file, 0, 0}, "the file is larger than " + std::to_string(limits.bytes >> 20) + " MiB");
        return documents;
    }
    if (!checkCharacters(text, file, diagnostics, map))
        return documents;
    Builder builder(file, diagnostics, map, limits);
    try {
        ViewBuffer buffer(text);
        std::istream in(&buffer);
        YAML::Parser parser(in);
        std::size_t total = 0;
        while (parser.HandleNextDocument(builder)) {
            YamlPtr document = builder.takeDocument();
            if (!document || document->isNull())
                continue;
            total += document->weight;
            if (total > limits.nodes)
                throw Stop{document->place, "more than " + std::to_string(limits.nodes) + " values in one file", ""};
            documents.push_back(std::move(document));
        }
    } catch (const Stop& stop) {
        diagnostics.error(stop.place, stop.message).hint = stop.hint;
    } catch (const YAML::Exception& e) {
        Diagnostic& d = diagnostics.error(builder.place(e.mark), "this is not valid YAML: " + e.msg);
        if (e.msg.find("tab") != std::string::npos)
            d.hint = "indent with spaces";
        else if (e.msg.find("map value") != std::string::npos)
            d.hint = "look at the indentation, and put text with \": \" in quotes";
        else if (e.msg == "end of map not found" || e.msg == "end of sequence not found")
            d.hint = "look at the indentation and for a missing bracket or quote above";
        else if (e.msg.find("flow") != std::string::npos)
            d.hint = "look for a bracket or quote that is missing or too many";
    } catch (const std::exception& e) {
        diagnostics.error({file, 0, 0}, std::string("this is not valid YAML: ") + e.what());
    }
    return documents;
}

} // namespace rdmalab::scenario
