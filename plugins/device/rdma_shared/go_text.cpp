#include "plugins/device/rdma_shared/go_text.h"

#include <fmt/format.h>

#include <cctype>

namespace rdmalab::plugin {

namespace {

void appendEscaped(std::string& out, char c) {
    switch (c) {
    case '\n':
        out += "\\n";
        break;
    case '\t':
        out += "\\t";
        break;
    case '\r':
        out += "\\r";
        break;
    case '\\':
        out += "\\\\";
        break;
    default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else
            out += c;
    }
}

// Walks a document in the order in which Go's scanner (encoding/json/scanner.go) looks at it.
class SyntaxCheck {
public:
    explicit SyntaxCheck(std::string_view text) : text_(text) {}

    std::optional<std::string> run() {
        if (value(0)) {
            skipSpace();
            if (at_ < text_.size())
                fail("after top-level value");
        }
        return error_;
    }

private:
    static constexpr int maxDepth = 10000; // scanner.go maxNestingDepth

    bool fail(std::string_view context) {
        if (at_ >= text_.size()) {
            error_ = "unexpected end of JSON input";
        } else {
            std::string shown;
            if (text_[at_] == '\'')
                shown = "\\'";
            else
                appendEscaped(shown, text_[at_]);
            error_ = fmt::format("invalid character '{}' {}", shown, context);
        }
        return false;
    }

    bool next(char c) const { return at_ < text_.size() && text_[at_] == c; }
    bool nextDigit() const { return at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); }
    void skipSpace() {
        while (next(' ') || next('\t') || next('\r') || next('\n'))
            ++at_;
    }

    bool value(int depth) {
        if (depth > maxDepth) {
            error_ = "exceeded max depth";
            return false;
        }
        skipSpace();
        if (next('{'))
            return object(depth);
        if (next('['))
            return array(depth);
        if (next('"'))
            return string();
        if (next('-') || nextDigit())
            return number();
        for (const std::string_view word : {"true", "false", "null"})
            if (next(word[0]))
                return literal(word);
        return fail("looking for beginning of value");
    }

    bool object(int depth) {
        ++at_;
        skipSpace();
        if (next('}')) {
            ++at_;
            return true;
        }
        for (;;) {
            skipSpace();
            if (!next('"'))
                return fail("looking for beginning of object key string");
            if (!string())
                return false;
            skipSpace();
            if (!next(':'))
                return fail("after object key");
            ++at_;
            if (!value(depth + 1))
                return false;
            skipSpace();
            if (next('}')) {
                ++at_;
                return true;
            }
            if (!next(','))
                return fail("after object key:value pair");
            ++at_;
        }
    }

    bool array(int depth) {
        ++at_;
        skipSpace();
        if (next(']')) {
            ++at_;
            return true;
        }
        for (;;) {
            if (!value(depth + 1))
                return false;
            skipSpace();
            if (next(']')) {
                ++at_;
                return true;
            }
            if (!next(','))
                return fail("after array element");
            ++at_;
        }
    }

    bool string() {
        for (++at_; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '"') {
                ++at_;
                return true;
            }
            if (static_cast<unsigned char>(c) < 0x20)
                return fail("in string literal");
            if (c != '\\')
                continue;
            ++at_;
            if (next('u')) {
                for (int i = 0; i < 4; ++i) {
                    ++at_;
                    if (at_ >= text_.size() || !std::isxdigit(static_cast<unsigned char>(text_[at_])))
                        return fail("in \\u hexadecimal character escape");
                }
            } else if (at_ >= text_.size() || std::string_view("bfnrt\\/\"").find(text_[at_]) == std::string_view::npos) {
                return fail("in string escape code");
            }
        }
        return fail("");
    }

    bool number() {
        if (next('-')) {
            ++at_;
            if (!nextDigit())
                return fail("in numeric literal");
        }
        if (next('0'))
            ++at_;
        else
            digits();
        if (next('.')) {
            ++at_;
            if (!nextDigit())
                return fail("after decimal point in numeric literal");
            digits();
        }
        if (next('e') || next('E')) {
            ++at_;
            if (next('+') || next('-'))
                ++at_;
            if (!nextDigit())
                return fail("in exponent of numeric literal");
            digits();
        }
        return true;
    }
    void digits() {
        while (nextDigit())
            ++at_;
    }

    bool literal(std::string_view word) {
        for (const char c : word) {
            if (!next(c))
                return fail(fmt::format("in literal {} (expecting '{}')", word, c));
            ++at_;
        }
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::optional<std::string> error_;
};

} // namespace

std::string goQuote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"')
            out += "\\\"";
        else
            appendEscaped(out, c);
    }
    return out + '"';
}

std::optional<std::string> goJsonSyntaxError(std::string_view json) {
    return SyntaxCheck(json).run();
}

} // namespace rdmalab::plugin
