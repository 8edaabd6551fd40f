"""SQLAlchemy's asyncio engine and sessions, over asyncpg and over psycopg."""

import asyncio

import pytest
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncAttrs, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(AsyncAttrs, DeclarativeBase):
    """What the tables have in common."""


class Author(Base):
    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    books: Mapped[list["Book"]] = relationship(order_by="Book.id", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))


@pytest.fixture(params=["asyncpg", "psycopg"])
def sessions(request, postgresql, certificates):
    url = postgresql.url(f"postgresql+{request.param}")
    arguments = {
        "asyncpg": {"ssl": certificates.client_context("rustls")},
        "psycopg": {"sslmode": "verify-full", "sslrootcert": str(certificates.authority_file)},
    }
    engine = create_async_engine(url, connect_args=arguments[request.param], pool_size=5)
    return async_sessionmaker(engine, expire_on_commit=False)


async def test_objects_are_stored_and_found(sessions):
    engine = sessions.kw["bind"]
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)

    async def write(number):
        async with sessions.begin() as session:
            books = [Book(title=f"{number}, part {part}") for part in range(3)]
            session.add(Author(name=f"author {number}", books=books))

    await asyncio.gather(*(write(number) for number in range(30)))

    async with sessions() as session:
        author = await session.scalar(select(Author).where(Author.name == "author 7"))
        books = await author.awaitable_attrs.books
        assert [book.title for book in books] == ["7, part 0", "7, part 1", "7, part 2"]
        assert await session.scalar(select(func.count()).select_from(Book)) == 90
        streamed = await session.stream_scalars(select(Book.title).order_by(Book.id))
        assert len([title async for title in streamed]) == 90

    with pytest.raises(IntegrityError):
        await write(7)
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Author)) == 30
    await engine.dispose()
