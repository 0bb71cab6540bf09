#include "harness/scenario/text_map.h"

#include "harness/scenario/diagnostic.h"

#include <algorithm>
#include <tuple>

namespace rdmalab::scenario {

void TextMap::add(int line, int column, int sourceLine, int sourceColumn, bool exact) {
    if (!stretches_.empty() && stretches_.back().line == line && stretches_.back().column == column)
        stretches_.pop_back();
    stretches_.push_back({line, column, sourceLine, sourceColumn, exact});
}

void TextMap::translate(int& line, int& column) const {
    auto it = std::upper_bound(stretches_.begin(), stretches_.end(), std::tuple(line, column),
                               [](const auto& at, const Stretch& s) { return at < std::tuple(s.line, s.column); });
    if (it == stretches_.begin())
        return;
    const Stretch& s = *--it;
    if (!s.exact) {
        line = s.sourceLine;
        column = s.sourceColumn;
        return;
    }
    column = line == s.line ? column - s.column + s.sourceColumn : column;
    line = line - s.line + s.sourceLine;
}

namespace {

bool startsName(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}
bool continuesName(char c) {
    return startsName(c) || (c >= '0' && c <= '9');
}

class Substitution {
public:
    Substitution(std::string_view text, const std::map<std::string, std::string>& variables, const std::string& file,
                 Diagnostics& diagnostics)
        : text_(text), variables_(variables), file_(file), diagnostics_(diagnostics) {}

    SubstitutedText run() {
        out_.map.add(1, 1, 1, 1, true);
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '\\' && at_ + 1 < text_.size() && (next() == '$' || next() == '`' || next() == '\\'))
                escape();
            else if (c == '$')
                dollar();
            else if (c == '`')
                refuse("a shell would run the text between backquotes as a command", "write \\` for a backquote");
            else
                copy();
        }
        return std::move(out_);
    }

private:
    char next() const { return text_[at_ + 1]; }

    static void advance(char c, int& line, int& column) {
        if (c == '\n') {
            ++line;
            column = 1;
        } else {
            ++column;
        }
    }

    void skip(std::size_t count) {
        for (; count > 0; --count)
            advance(text_[at_++], line_, column_);
    }

    void emit(std::string_view piece) {
        for (const char c : piece)
            advance(c, outLine_, outColumn_);
        out_.text += piece;
    }

    void copy() {
        emit(text_.substr(at_, 1));
        skip(1);
    }

    void escape() {
        skip(1);
        out_.map.add(outLine_, outColumn_, line_, column_, true);
        copy();
    }

    void refuse(std::string message, std::string hint) {
        diagnostics_.error({file_, line_, column_}, std::move(message)).hint = std::move(hint);
        copy();
    }

    void dollar() {
        if (at_ + 1 >= text_.size() || (!startsName(next()) && next() != '{' && next() != '(')) {
            copy(); // as a shell does: a dollar that starts nothing is a dollar
            return;
        }
        if (next() == '(') {
            refuse("a shell would run $(...) as a command", "write \\$( to keep it for Kubernetes");
            return;
        }
        const bool braces = next() == '{';
        std::size_t end = at_ + (braces ? 2 : 1);
        const std::size_t start = end;
        while (end < text_.size() && (end == start ? startsName(text_[end]) : continuesName(text_[end])))
            ++end;
        const std::string name(text_.substr(start, end - start));
        if (braces && (name.empty() || end >= text_.size() || text_[end] != '}')) {
            refuse("only ${NAME} is understood between braces", "write \\${ for the characters themselves");
            return;
        }
        const auto it = variables_.find(name);
        if (it == variables_.end()) {
            Diagnostic& d = diagnostics_.error({file_, line_, column_}, "variable " + name + " is not defined");
            std::vector<std::string> known;
            for (const auto& variable : variables_)
                known.push_back(variable.first);
            const std::string similar = nearest(name, known);
            d.hint =
                similar.empty() ? "add it to `env` of the step, or write \\$ for a dollar sign" : "did you mean " + similar + "?";
        }
        const std::string value = it == variables_.end() ? "undefined" : it->second;
        out_.map.add(outLine_, outColumn_, line_, column_, false);
        emit(value);
        skip(end - at_ + (braces ? 1 : 0));
        out_.map.add(outLine_, outColumn_, line_, column_, true);
    }

    std::string_view text_;
    const std::map<std::string, std::string>& variables_;
    const std::string& file_;
    Diagnostics& diagnostics_;
    SubstitutedText out_;
    std::size_t at_ = 0;
    int line_ = 1, column_ = 1, outLine_ = 1, outColumn_ = 1;
};

} // namespace

SubstitutedText substituteVariables(std::string_view text, const std::map<std::string, std::string>& variables,
                                    const std::string& file, Diagnostics& diagnostics) {
    return Substitution(text, variables, file, diagnostics).run();
}

} // namespace rdmalab::scenario
