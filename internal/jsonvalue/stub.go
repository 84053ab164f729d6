package jsonvalue
import ("errors";"go.opentelemetry.io/collector/pdata/pcommon")
type Limits struct{ MaxDepth, MaxBytes int }
var ErrTooDeep, ErrTooLarge, ErrInvalid = errors.New("d"), errors.New("l"), errors.New("i")
func Parse(text string, to pcommon.Value, limits Limits) error { return ErrInvalid }
